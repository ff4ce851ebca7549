"""HTTP for the status page: read-only, but for logging in and out.

Modules, from the bottom up:

- `tls`, `listener`: the page's own certificate, and a TLS listener that unknown clients can't exhaust.
- `auth`, `sessions`: bearer tokens and their users' right to see the page; cookies instead of tokens.
- `live`: one snapshot a second, shared by all viewers, and only while there are any.
- `server`: paths, headers, the login form, and the stream of changed sections.
"""
