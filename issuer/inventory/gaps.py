"""Gaps of an inventory, each with its reason. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from issuer.terminal.ages import span_text
from issuer.text import first_of

_NAMED: Final = 5
"""Roles that a sentence names."""


class GapKind(StrEnum):
    """Reasons why something is missing. They are part of the JSON."""

    NOT_STORED = "NotStored"
    TIDIED = "Tidied"
    NOT_LISTED = "NotListed"
    NOT_READABLE = "NotReadable"
    ROLES_UNKNOWN = "RolesUnknown"
    TIDY_UNKNOWN = "TidyUnknown"
    OTHER_MOUNTS = "OtherMounts"
    CLUSTER = "Cluster"
    SECRETS = "Secrets"
    MACHINES = "Machines"


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that isn't known: where, and a sentence for people."""

    kind: GapKind
    where: str
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {"kind": self.kind.value, "where": self.where, "message": self.text}


def role_gaps(mount: str, roles: Mapping[str, Mapping[str, Any] | None]) -> Iterator[Gap]:
    """Yield what roles keep from the store; the value of one that can't be read is None."""
    silent = sorted(name for name, role in roles.items() if role is not None and role.get("no_store"))
    leased = sorted(name for name, role in roles.items() if role is not None and role.get("generate_lease"))
    unread = sorted(name for name, role in roles.items() if role is None)
    if silent:
        text = f"certificates of {_roles(silent)} are stored nowhere (no_store): only what uses them is seen"
        yield Gap(GapKind.NOT_STORED, mount, text)
    if leased:
        text = f"certificates of {_roles(leased)} end with the login that asked for them (generate_lease)"
        yield Gap(GapKind.NOT_STORED, mount, text)
    if unread:
        yield Gap(
            GapKind.ROLES_UNKNOWN, mount, f"whether {_roles(unread)} store what they sign: not readable"
        )


def tidy_gaps(mount: str, auto: Mapping[str, Any], last: Mapping[str, Any]) -> Iterator[Gap]:
    """Yield what tidying takes away, from `config/auto-tidy` and `tidy-status`."""
    if auto.get("enabled") and auto.get("tidy_cert_store"):
        kept = span_text(timedelta(seconds=_number(auto.get("safety_buffer"))))
        yield Gap(GapKind.TIDIED, mount, f"certificates that ended over {kept} ago are removed (auto-tidy)")
    elif _number(last.get("cert_store_deleted_count")):
        number = _number(last.get("cert_store_deleted_count"))
        text = f"tidy removed {number} of the certificates that had ended when it last ran"
        yield Gap(GapKind.TIDIED, mount, text)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _roles(names: Sequence[str]) -> str:
    return f"role{'' if len(names) == 1 else 's'} {first_of(names, _NAMED)}"
