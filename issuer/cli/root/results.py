"""Results of the commands of `vault-issuer root`, and what several of them ask, print and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import typer
from cryptography import x509

from issuer.cli.passphrases import ask_passphrase
from issuer.root.certificates.keys import PrivateKey
from issuer.root.errors import RootRefusal
from issuer.root.folder import read_file
from issuer.root.reasons import RefusalReason
from issuer.root.session import OpenedRoot
from issuer.x509.chains.forms import certificates_as_pem
from issuer.x509.errors import LIBRARY_ERRORS


@dataclass(frozen=True, slots=True)
class RootResult:
    """Result of a command: as data, as lines, and its exit code."""

    report: dict[str, Any]
    lines: Sequence[str]
    code: int = 0


@dataclass(frozen=True, slots=True)
class ActOptions:
    """Options on how a person agrees to an act, and the time of it."""

    passphrase_files: Sequence[Path]
    now: datetime
    today: date | None
    yes: bool = False
    dry_run: bool = False


def unlocked(root: OpenedRoot, files: Sequence[Path]) -> PrivateKey:
    """Return the root's key, its passphrase asked for. Raises RootRefusal."""
    return root.unlock(ask_passphrase(files, root.ledger.settings.passphrases))


def tell_mended(root: OpenedRoot) -> None:
    """Say on standard error what an interruption left and this command mended."""
    for path in root.mended:
        typer.echo(f"Mended after an interruption: {path}", err=True)


def with_notes(report: dict[str, Any], lines: Sequence[str]) -> list[str]:
    """Return the lines of a report with its notes below them."""
    return [*lines, *(f"  Note: {one}" for one in report["notes"])]


def read_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate in a file. Raises RootRefusal."""
    try:
        return x509.load_pem_x509_certificate(certificates_as_pem(read_file(path)))
    except LIBRARY_ERRORS as error:
        message = f"{path} holds no certificate that can be read."
        raise RootRefusal(RefusalReason.UNREADABLE, message) from error
