"""Public and private keys that others have made.

- `public`: kinds of keys, and flaws of keys that protect nothing.
- `private`: private keys, read in bounded time.
"""
