"""Refusals of the offline root. Each message names the cause first, then the exact command or change."""

from __future__ import annotations

from issuer.root.reasons import RefusalReason


class RootRefusal(Exception):
    """The command does nothing, for a reason of `reasons`."""

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
