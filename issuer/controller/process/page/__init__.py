"""Facts that the status page shows, gathered from the controller. Imported only where a page is asked for.

- `answers`: the requests that were answered lately.
- `expiring`: ends of certificates by time.
- `source`: all of a look, from the controller's parts.
"""
