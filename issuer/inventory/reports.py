"""Reads what machines report of their certificates (`vault-issuer agent report`), a file each."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from issuer.inventory.certificate import KnownCertificate, KnownIssuers, parse_serial
from issuer.inventory.gaps import Gap, GapKind
from issuer.inventory.uses import Use, UseKind, UsesFound
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.terminal.ages import age
from issuer.text import parse_json, parse_rfc3339

FORMAT: Final = 1
MAX_BYTES: Final = 16 << 20
"""Of one report: a set has about 4 KB."""
STALE: Final = timedelta(days=1)
"""Age from which a report says nothing of today: an agent looks each minute, and reports go by cron."""


def read_reports(folder: Path, issuers: KnownIssuers, uses: UsesFound, now: datetime) -> Iterator[Gap]:
    """Add the certificates of all reports to `uses`, and yield what they can't tell.

    Raises BadInput if the folder can't be read, or has no report.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix == ".json")
    except OSError as error:
        raise BadInput(f"{folder} can't be read: {error.strerror}: name a folder of reports") from error
    if not paths:
        raise BadInput(f"{folder} has no report: save `vault-issuer agent report` there as MACHINE.json")
    for path in paths:
        try:
            yield from _read(_parsed(path), issuers, uses, now)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
            text = f"the report {path.name} can't be read: {_reason(error)}"
            yield Gap(GapKind.MACHINES, shown(path.stem), shown(text))


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError | OSError) else "it is no report of an agent"


def _parsed(path: Path) -> Mapping[str, Any]:
    # Machines may write into the folder: a pipe there would be waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("it is no file")
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it is larger than {MAX_BYTES >> 20} MiB")
    found = parse_json(content)
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise ValueError(f"it is no report of format {FORMAT}")
    return found


def _read(report: Mapping[str, Any], issuers: KnownIssuers, uses: UsesFound, now: datetime) -> Iterator[Gap]:
    machine, at = str(report["machine"]), _moment(report["at"])
    for one in report["sets"]:
        certificates = one.get("certificates") or ()
        if one.get("serial") and certificates:  # a set of CAs alone has none of its own
            use = Use(UseKind.MACHINE, f"{machine}/{one['name']}")
            uses.add_row(_row(certificates[0], one.get("names") or (), issuers), use)
    if now - at > STALE:
        text = f"the machine {machine} last reported {age(at, now)} ago"
        yield Gap(GapKind.MACHINES, shown(machine), shown(text))


def _moment(text: object) -> datetime:
    """Return a time in UTC. Raises ValueError, OverflowError."""
    found = parse_rfc3339(str(text))
    if found.tzinfo is None:
        raise ValueError("it has a time without a zone")
    return found.astimezone(UTC)


def _row(one: Mapping[str, Any], names: Sequence[str], issuers: KnownIssuers) -> KnownCertificate:
    issuer = issuers.named(str(one["issuer"]))
    return KnownCertificate(
        mount="" if issuer is None else issuer.mount,
        serial=parse_serial(str(one["serial"])),
        names=tuple(map(str, names)) if isinstance(names, list) else (),
        subject=str(one["subject"]),
        issuer=str(one["issuer"]) if issuer is None else issuer.label,
        begins=_moment(one["notBefore"]),
        ends=_moment(one["notAfter"]),
        sha256=bytes.fromhex(str(one["sha256"])),
        is_stored=False,
    )
