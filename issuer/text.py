"""Text and times as every package writes them. The floor: it imports nothing of the issuer's.

Whatever comes from outside (a CSR, a server, a file) is bounded and made printable before it stands in a
message, so that it can neither flood a log nor forge a line of it:

- `one_line`: a server's sentences; what can't be printed becomes a blank.
- `masked`: names and paths; each character that can't be printed becomes "?".
- `escaped`: anything shown on a terminal; such characters become escapes, for example "\\x1b".
- `ascii_text`: names of certificates and CSRs; all but printable ASCII becomes escapes.
- `clip`: text that is printable already.

`first_of` shortens lists, `counted` writes a number with its noun. `rfc3339`, `rfc3339_micro` and
`parse_rfc3339` are the API's times
(https://kubernetes.io/docs/reference/using-api/api-concepts/; metav1.Time and metav1.MicroTime); `read_time`
reads those that anybody may have written.
`parse_json` reads JSON that others wrote. `TRUTHS` are Go's texts of true and false.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

ELLIPSIS: Final = "…"
TRUTHS: Final = {
    "": False,
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""Texts that Vault reads as true or false: Go's strconv.ParseBool, and none."""
_READ: Final = 4  # characters read for each that is kept: blanks in a row are folded


def clip(text: str, limit: int) -> str:
    """Return `text`, or its first `limit - 1` characters and an ellipsis if it has more than `limit`."""
    return text if len(text) <= limit else text[: limit - 1] + ELLIPSIS


def one_line(text: str, limit: int) -> str:
    """Return `text` on one line of at most `limit` characters, every run of blanks as one.

    Characters that can't be printed count as blanks.
    """
    printable = "".join(char if char.isprintable() else " " for char in text[: limit * _READ])
    return clip(" ".join(printable.split()), limit)


def masked(text: str, limit: int) -> str:
    """Return `text` clipped to `limit`, with "?" for each character that can't be printed."""
    return "".join(char if char.isprintable() else "?" for char in clip(text, limit))


def escaped(text: str, limit: int) -> str:
    """Return `text` clipped to `limit`, then characters that can't be printed (colour codes, line ends,
    bidirectional marks) as Python's escapes."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape", "surrogatepass").decode("ascii")
        for char in clip(text, limit)
    )


def ascii_text(text: str, limit: int | None = None, more: str = "") -> str:
    """Return the first `limit` characters of `text` in printable ASCII, the rest as Python's escapes.

    `more` is put behind a text that was cut. The escapes don't count: the result may be longer than `limit`.
    """
    kept = text[:limit]
    return ascii(kept)[1:-1] + (more if len(text) > len(kept) else "")


def first_of(texts: Sequence[str], most: int = 8) -> str:
    """Return the first `most` texts, and how many more there are: "a, b and 3 more"."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and what it counts: "1 issuer", "1,200 issuers"; `many` is for plurals without an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def rfc3339(moment: datetime) -> str:
    """Return an aware `moment` in UTC and whole seconds: "2026-11-26T21:58:57Z"."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def rfc3339_micro(moment: datetime) -> str:
    """Return an aware `moment` in UTC and microseconds, as Leases and Events have their times."""
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def parse_rfc3339(text: str) -> datetime:
    """Return the aware datetime of a Kubernetes time. Raises ValueError."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def read_time(value: object) -> datetime | None:
    """Return the datetime, in UTC, of a Kubernetes time that somebody wrote; None for anything else.

    The API server takes `t` and `z`, and offsets that lead beyond the years that Python knows.
    """
    try:
        found = parse_rfc3339(value.upper()) if isinstance(value, str) else None
        return None if found is None or found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. Raises ValueError, also for one that is nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("its lists and objects are nested too deeply") from error
