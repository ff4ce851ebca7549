"""Files that are applied with interruptions, each with what it needs beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.pki.cas import root
from tests.pki.files import IMPORTED, OFFLINE, TWO_TIER
from tests.pki.interrupted import Case
from tests.pki.support import Vault, written

CASES: Final = ("two-tier", "imported", "offline")
PASSPHRASE: Final = "correct horse battery staple"  # of a test's key


def case_of(vault: Vault, folder: Path, name: str) -> Case:
    """Return a case by its name, its files written into a folder."""
    return {"two-tier": _two_tier, "imported": _imported, "offline": _offline}[name](vault, folder)


def _two_tier(vault: Vault, folder: Path) -> Case:
    return Case(vault, (written(folder, TWO_TIER),))


def _imported(vault: Vault, folder: Path) -> Case:
    above = root("Home Root CA")
    home = above.below("Home Intermediate CA")
    written(folder, above.pem + home.key_pem(PASSPHRASE) + home.pem, "bundle.pem")
    return Case(vault, (written(folder, IMPORTED),), {"PASSPHRASE": PASSPHRASE})


def _offline(vault: Vault, folder: Path) -> Case:
    above = root("Offline Root CA")

    def sign() -> None:
        (folder / "env.pem").write_text(above.sign((folder / "env.csr").read_text()))

    return Case(vault, (written(folder, OFFLINE),), between=sign)
