"""Until when a certificate of the old CA may be valid: by the mount's list, and by bounds where that hides
them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from issuer.pki.file.engine import is_off, lifetime
from issuer.pki.rotation.facts import RotatedCA, RotationFacts
from issuer.text import counted, rfc3339


@dataclass(frozen=True, slots=True)
class LastEnd:
    """The moment from which no certificate of the old CA is valid, and a sentence on how that is known."""

    moment: datetime
    how: str


def last_end(facts: RotationFacts, old: RotatedCA) -> LastEnd:
    """Return the last end of what the old CA signed; its own end bounds all others."""
    own = LastEnd(old.end, f"{old.name} itself ends at {rfc3339(old.end)}, and nothing of it is valid after")
    if facts.issued is None:
        return LastEnd(old.end, f"the token may not read the list of certificates; {own.how}")
    roles = facts.roles
    if roles is None:
        return LastEnd(old.end, f"the token may not read the roles, so what they hide isn't known; {own.how}")
    listed = facts.issued.old
    # What the list had and has no more was tidied, after its end and the safety buffer.
    listed_end = min(listed.last_end or old.certificate.not_valid_before_utc, old.end)
    ends = [LastEnd(listed_end, _told(listed.valid, listed.last_end, old))]
    if facts.issued.unread:
        ends.append(
            LastEnd(
                old.end,
                f"{counted(facts.issued.unread, 'certificate')} of the list can't be read; {own.how}",
            )
        )
    hidden = dict(_unstored(facts, roles, old))
    if hidden:
        ends.append(_bound(facts, hidden, own))
    return max(ends, key=lambda one: one.moment)


def _told(valid: int, end: datetime | None, old: RotatedCA) -> str:
    if end is None:
        return f"the list has no certificate of {old.name}"
    if not valid:
        return f"the last certificate of {old.name} in the list ended at {rfc3339(end)}"
    are = "is valid, until" if valid == 1 else "are valid, the last until"
    return f"{counted(valid, 'certificate')} of {old.name} {are} {rfc3339(end)}"


def _unstored(
    facts: RotationFacts, roles: Mapping[str, Mapping[str, Any]], old: RotatedCA
) -> Iterator[tuple[str, timedelta | None]]:
    """Yield the roles whose certificates of the old CA the list doesn't have, with their longest life; None
    where a date says it."""
    for name, role in roles.items():
        reference = role.get("issuer_ref") or "default"
        if is_off(role.get("no_store")) or not (reference == "default" or old.is_named(reference)):
            continue
        seconds = lifetime(role.get("max_ttl")) or lifetime(role.get("ttl"))
        longest = facts.longest if not seconds else min(timedelta(seconds=seconds), facts.longest)
        yield name, None if role.get("not_after") else longest


def _last_signed(facts: RotationFacts) -> datetime | None:
    """Return when the old CA signed last, as a person says, and not before the last that the list shows."""
    if facts.last_signed is None or facts.issued is None:
        return facts.last_signed
    return max([facts.last_signed, *facts.issued.old.starts])


def _taken_over(facts: RotationFacts) -> datetime | None:
    """Return a time at which the new CA signed already, after the old one's last in the list; None if the
    list shows none."""
    first = facts.issued.new.first_after(facts.issued.old) if facts.issued is not None else None
    if first is not None and facts.new is not None:  # who asks may date a certificate back by years
        first = max(first, facts.new.certificate.not_valid_before_utc)
    dated_back = [lifetime(role.get("not_before_duration")) or 0 for role in (facts.roles or {}).values()]
    return None if first is None else first + timedelta(seconds=max(dated_back, default=0))


def _bound(facts: RotationFacts, hidden: Mapping[str, timedelta | None], own: LastEnd) -> LastEnd:
    """Return the bound for certificates that no list has: the last signing, and the longest life after it."""
    names = ", ".join(hidden)
    lives = [life for life in hidden.values() if life is not None]
    since = _last_signed(facts) or _taken_over(facts)
    if len(lives) < len(hidden):
        return LastEnd(own.moment, f"the roles {names} store nothing, and one has a fixed end; {own.how}")
    if since is None:
        return LastEnd(
            own.moment,
            f"the roles {names} store nothing (no_store), and nothing tells when the old CA signed last: say "
            f"it from Vault's audit log, with --last-signed TIME; else {own.how}",
        )
    end = min(since + max(lives), own.moment)
    word = "as you say" if facts.last_signed else "when the new CA had signed its first in the list"
    return LastEnd(
        end,
        f"the roles {names} store nothing (no_store), so by their longest life what they signed until "
        f"{rfc3339(since)} ({word}) ends by {rfc3339(end)}",
    )
