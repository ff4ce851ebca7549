"""Accounts of objects other than requests: what `inspect` and `explain` say of them.

- `account`: things that were looked at, each with a mark, and what to do.
- `certificates`: a Certificate that has no request.
- `tables`: an account for people.
"""
