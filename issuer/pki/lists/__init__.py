"""CRLs looked at, wherever they are: in a mount, behind a URL, in a file.

- `described`: what a list says of itself, who signed it, and what is wrong with it. Pure.
- `sources`: reads lists and the CAs that may have signed them.
- `show`: for people.
"""
