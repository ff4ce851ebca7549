"""Refusals and failures of trust stores; each message says what to do."""


class TrustError(Exception):
    """Something was refused, or failed, about trust."""


class RootRefused(TrustError):
    """The source has no such root, or one that must not be trusted. Nothing was written."""


class StoreNotUsable(TrustError):
    """A store can't be written: a program or a right is missing. Nothing was written."""


class StoreFailed(TrustError):
    """A store could not be changed, or does not trust what it holds. It is as it was before."""
