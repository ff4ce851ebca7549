"""Inventories as tables, CSV, JSON and names. What others wrote into certificates moves no cursor, and is no
formula of a spreadsheet."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, TextIO

from issuer.inventory.certificate import KnownCertificate
from issuer.inventory.taking import CertificateInventory
from issuer.inventory.uses import Use
from issuer.manifests.text import shown
from issuer.terminal.ages import span_text
from issuer.terminal.console import Console
from issuer.terminal.tables import bullets, listed, paragraph, rows, section
from issuer.text import rfc3339

MOST_ROWS: Final = 200
"""Rows of a table where no limit is given: laying out one of 100,000 takes minutes."""
_OCTETS: Final = 4
"""Of a serial number in the narrow table: of 10,000 certificates two begin alike once in a hundred times."""
_NARROW: Final = ("Name", "Serial", "Issuer", "Ends", "In", "State", "Used by")
_WIDE: Final = ("Names", "Serial", "Issuer", "Begins", "Ends", "State", "Revoked", "Stored", "Used by")
_CSV: Final = (
    "names", "serial", "issuer", "mount", "subject", "notBefore", "notAfter", "state", "revokedAt", "stored",
    "usedBy", "sha256",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Beginnings of formulas in spreadsheets, the last four of full width (Excel in Japanese)."""

Row = tuple[KnownCertificate, tuple[Use, ...]]


def show_table(found: CertificateInventory, to: Console, *, wide: bool, limit: int | None) -> None:
    """Print a table, its counts, and what can't be known."""
    most = MOST_ROWS if limit is None else limit
    cells = _wide if wide else _narrow
    rows(to, _WIDE if wide else _NARROW, [cells(found, row) for row in found.rows[:most]], None)
    if len(found.rows) > most:
        paragraph(to, f"and {len(found.rows) - most} more (-o json and -o csv have all)")
    counts = found.counts()
    paragraph(to, f"{counts.pop('all')} in all: " + ", ".join(f"{n} {one}" for one, n in counts.items()))
    if found.gaps:
        section(to, "What this can't know")
        bullets(to, (f"{one.where}: {one.text}" if one.where else one.text for one in found.gaps))


def _narrow(found: CertificateInventory, row: Row) -> list[str]:
    certificate, uses = row
    more = f" +{len(certificate.names) - 1}" if len(certificate.names) > 1 else ""
    octets = certificate.serial.split(":")
    return [
        shown(certificate.label, 60) + more,
        ":".join(octets[:_OCTETS]) + ("…" if len(octets) > _OCTETS else ""),
        certificate.issuer,
        f"{certificate.ends:%Y-%m-%d %H:%M}",
        span_text(certificate.ends - found.now) if certificate.ends > found.now else "-",
        _state(found, certificate),
        _used_by(found, uses),
    ]


def _wide(found: CertificateInventory, row: Row) -> list[str]:
    certificate, uses = row
    revoked = certificate.revoked_at
    return [
        listed(certificate.names) or certificate.label,
        certificate.serial,
        certificate.issuer,
        rfc3339(certificate.begins),
        rfc3339(certificate.ends),
        found.state(certificate).value,
        "" if revoked is None else rfc3339(revoked),
        _stored(certificate),
        _used_by(found, uses),
    ]


def _state(found: CertificateInventory, certificate: KnownCertificate) -> str:
    """Return the state, and whether Vault lacks the certificate."""
    text = found.state(certificate).value
    return text if certificate.is_stored is not False else f"{text}, not stored"


def _stored(certificate: KnownCertificate) -> str:
    return {True: "yes", False: "no", None: "?"}[certificate.is_stored]


def _used_by(found: CertificateInventory, uses: tuple[Use, ...]) -> str:
    return listed([str(one) for one in uses]) if found.asked_for_uses or uses else "?"


def write_csv(found: CertificateInventory, to: TextIO, limit: int | None) -> None:
    """Write a line for each certificate below a line of names (RFC 4180).

    Every cell is quoted: spreadsheets of many languages end one at a semicolon, too.
    """
    writer = csv.writer(to, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(_CSV)
    for certificate, uses in islice(found.rows, limit):
        revoked = certificate.revoked_at
        cells = (
            " ".join(certificate.names), certificate.serial, certificate.issuer, certificate.mount,
            certificate.subject, rfc3339(certificate.begins), rfc3339(certificate.ends),
            found.state(certificate).value, "" if revoked is None else rfc3339(revoked),
            _stored(certificate), _used_by(found, uses), certificate.sha256.hex(),
        )  # fmt: skip
        writer.writerow([_cell(one) for one in cells])


def _cell(text: str) -> str:
    """Return a cell that a spreadsheet takes for text, whatever a certificate's names are."""
    safe = shown(text, 10_000)
    return f"'{safe}" if safe.startswith(_FORMULA) else safe


def write_json(found: CertificateInventory, to: TextIO, limit: int | None) -> None:
    """Write all as one JSON object, certificate by certificate, in ASCII."""
    head: dict[str, Any] = {"at": rfc3339(found.now), "mounts": list(found.mounts), "counts": found.counts()}
    head["unknown"] = [one.to_json() for one in found.gaps]
    to.write(json.dumps(head, indent=2)[:-2] + ',\n  "certificates": [')
    for number, (certificate, uses) in enumerate(islice(found.rows, limit)):
        to.write("," if number else "")
        to.write("\n    " + json.dumps(found.entry(certificate, uses)))
    to.write("\n  ]\n}\n")


def names(found: CertificateInventory, limit: int | None) -> Iterator[str]:
    """Yield mount and serial number of each certificate, such as `revoke` takes them."""
    for certificate, _ in islice(found.rows, limit):
        yield f"{certificate.mount}/{certificate.serial}"
