"""Until when a certificate of the old CA may be valid: by the mount's list, and by bounds where that hides
them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.pki.file.engine import is_off, lifetime
from issuer.pki.rotation.facts import RotatedCA, RotationFacts
from issuer.text import counted, first_of, read_time, rfc3339

_SHOWN: Final = 5
"""Names of roles that a message lists; the rest is counted."""
_BY_LIFE: Final = ("forbid", "ttl-limited")
"""Values of OpenBao's `not_after_bound` by which no certificate lives longer than its role's `max_ttl`."""


@dataclass(frozen=True, slots=True)
class LastEnd:
    """The moment from which no certificate of the old CA is valid, and a sentence on how that is known.

    `doubt` is a sentence on certificates that this can't tell of, "" if there can be none.
    """

    moment: datetime
    how: str
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class _HiddenRole:
    """A role whose certificates no list has: its longest life (None: not known), and the date up to which a
    request may ask for any end (None: for no date; `has_any_end`: up to none)."""

    name: str
    longest: timedelta | None
    until: datetime | None = None
    has_any_end: bool = False


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
        unread = counted(facts.issued.unread, "certificate")
        ends.append(LastEnd(old.end, f"{unread} of the list can't be read; {own.how}"))
    if facts.programs:
        doubt = f"{facts.programs}, and may store nothing: see in Vault's audit log what they signed"
        ends.append(LastEnd(listed_end, ends[0].how, doubt))
    hidden = list(_hidden(facts, roles))
    if hidden:
        ends.append(_bound(facts, old, hidden, own))
    latest = max(ends, key=lambda one: one.moment)
    doubts = "; ".join(one.doubt for one in ends if one.doubt)
    is_sure = max(latest.moment, facts.now) >= old.end
    return replace(latest, doubt="" if is_sure else doubts)


def hidden_names(facts: RotationFacts) -> str:
    """Return the names of the roles whose certificates no list has, as far as they may be read."""
    return first_of([one.name for one in _hidden(facts, facts.roles or {})], _SHOWN)


def _told(valid: int, end: datetime | None, old: RotatedCA) -> str:
    if end is None:
        return f"the list has no certificate of {old.name}"
    if not valid:
        return f"the last certificate of {old.name} in the list ended at {rfc3339(end)}"
    are = "is valid, until" if valid == 1 else "are valid, the last until"
    return f"{counted(valid, 'certificate')} of {old.name} {are} {rfc3339(end)}"


def _hidden(facts: RotationFacts, roles: Mapping[str, Mapping[str, Any]]) -> Iterator[_HiddenRole]:
    """Yield the roles that store nothing. What `issuer_ref` says doesn't matter: a path may name the old CA
    (`issuer/OLD/sign/ROLE`), and then that one signs."""
    for name, role in roles.items():
        if is_off(role.get("no_store")):
            continue
        # Only max_ttl bounds what a request asks for, also above the mount's own; ttl is for those that ask
        # for nothing (OpenBao 2.7).
        seconds = lifetime(role.get("max_ttl"))
        longest = timedelta(seconds=seconds) if seconds else facts.longest
        bound = str(role.get("not_after_bound") or "")
        until = read_time(bound)
        any_end = bound not in _BY_LIFE and until is None
        yield _HiddenRole(name, None if role.get("not_after") else longest, until, any_end)


def _bound(facts: RotationFacts, old: RotatedCA, hidden: list[_HiddenRole], own: LastEnd) -> LastEnd:
    """Return the bound for certificates that no list has: the last signing, and the longest life after it."""
    names = first_of([one.name for one in hidden], _SHOWN)
    unknown = [one.name for one in hidden if one.longest is None]
    if unknown:
        why = f"and the longest life of {first_of(unknown, _SHOWN)} isn't known, or has a fixed end"
        return LastEnd(own.moment, f"the roles {names} store nothing (no_store), {why}; {own.how}")
    since = _last_signed(facts)
    if since is None:
        return LastEnd(own.moment, f"{_not_told(facts, old, names)}; else {own.how}")
    lives = [since + one.longest for one in hidden if one.longest is not None]
    end = min(max([*lives, *(one.until for one in hidden if one.until is not None)]), own.moment)
    how = (
        f"the roles {names} store nothing (no_store): what they signed until {rfc3339(since)} "
        f"(--last-signed), by their longest life, ends by {rfc3339(end)}"
    )
    dated = [one.name for one in hidden if one.has_any_end]
    doubt = (
        f"no list has what {first_of(dated, _SHOWN)} signed, and a request there may name an end of its own "
        "(not_after), beyond max_ttl: see in Vault's audit log that none did"
    )
    return LastEnd(end, how, doubt if dated else "")


def _not_told(facts: RotationFacts, old: RotatedCA, names: str) -> str:
    """Return what a person has to say of the last signing, with a time that holds by now."""
    # Signing goes by a path that names a CA at any time, so no certificate of the new CA shows its end.
    now = rfc3339(facts.now + timedelta(seconds=1))
    return (
        f"the roles {names} store nothing (no_store), so nothing here tells when {old.name} signed last: "
        f"say it from Vault's audit log, by --last-signed TIME; where no path and no role names {old.name}, "
        f"any time after the switch holds, such as --last-signed {now}"
    )


def _last_signed(facts: RotationFacts) -> datetime | None:
    """Return when the old CA signed last, as a person says, and not before the last that the list shows."""
    if facts.last_signed is None or facts.issued is None:
        return facts.last_signed
    return max([facts.last_signed, *facts.issued.old.starts])
