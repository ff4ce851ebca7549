"""Messages that begin with a reason, written and read back here alone. Pure.

cert-manager prescribes the reasons of a request's condition (`Pending`, `Failed`, `Denied`), so ours stands
at the start of the message. Who looks at a request from another process, as `vault-issuer canary` does, has
nothing but that message. Of it, only the reason is ever read; the sentence behind it may change.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Final

from issuer.reasons import Reason

# An issuer's text is its kind and its name, none of which has blanks.
_REASON: Final = re.compile(
    r"(?:[^ ]+ [^ ]+ is not Ready \((?P<issuers>[A-Z]\w+)\)|(?P<own>[A-Z]\w+)): ", re.A
)


_ROOM: Final = 1000
"""Characters of a message that keeps room for the next; that of a failure has less."""


class Opening(StrEnum):
    """First words of messages that have had no reason from the start: they stand for it."""

    ALLOWED_BY_NONE = "approved by somebody else, but no policy allows it"
    NO_POLICY_APPLIES = "No policy applies to this request"
    NO_POLICY_EXISTS = "No CertificateRequestPolicy exists"
    IS_SIGNED_NEXT = "It is signed next"
    REFUSED_SOON = "It is refused for good within seconds, unless a policy that allows it appears"
    NOT_AS_ASKED = "the CA returned a certificate that is not what was asked for"


def with_reason(reason: Reason, sentence: str) -> str:
    """Return the message of a request that fails or waits for this reason."""
    return f"{reason}: {sentence}"


def issuer_not_ready(issuer: str, reason: Reason, sentence: str) -> str:
    """Return the message of a request that waits for its issuer, by the issuer's own reason and message.

    `issuer` is its kind and its name, each without blanks.
    """
    return f"{issuer} is not Ready ({reason}): {sentence}"


def signed_next(size: int) -> str:
    """Return the message of a request of so many bytes that is about to be signed, which keeps room for
    whatever its status says after that."""
    told = (
        f"{Opening.IS_SIGNED_NEXT}. It has {size} bytes, and a certificate may be more than the API server "
        "stores with it; this text keeps room to say so: "
    )
    return told.ljust(_ROOM, ".")


def reason_of(message: str) -> str | None:
    """Return the reason at the start of a message, the request's own or its issuer's; None without one."""
    match = _REASON.match(message)
    return None if match is None else match["issuers"] or match["own"]


def opening_of(message: str) -> Opening | None:
    """Return which opening a message has; None if it has none."""
    return next((opening for opening in Opening if message.startswith(opening)), None)
