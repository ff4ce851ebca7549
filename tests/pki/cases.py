"""Files that are applied with interruptions, each with what it needs beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.pki.cas import root
from tests.pki.files import IMPORTED, OFFLINE, TWO_TIER
from tests.pki.interrupted import Case
from tests.pki.support import Vault, written

CASES: Final = ("two-tier", "imported", "offline")
EXAMPLES: Final = ("homelab", "three-roles")
"""Files of config/pki. Their names are fixed, so a server has one of them at a time: `emptied` first."""
FOLDER: Final = Path(__file__).parents[2] / "config" / "pki"
PASSPHRASE: Final = "correct horse battery staple"  # of a test's key


def case_of(vault: Vault, folder: Path, name: str) -> Case:
    """Return a case by its name, its files written into a folder."""
    return {"two-tier": _two_tier, "imported": _imported, "offline": _offline}[name](vault, folder)


def example_of(vault: Vault, name: str) -> Case:
    """Return a case of a file of config/pki."""
    variables = {
        "PKI_ADDRESS": "http://vault.example.test:8200",
        "KUBERNETES_CA": vault.bao.ca_pem,
        "DEVICES": "127.0.0.0/8",
    }
    return Case(vault, (FOLDER / f"{name}.yaml",), variables)


def emptied(vault: Vault) -> Vault:
    """Return the server without PKI mounts, logins and policies."""
    bao = vault.bao
    for table, kept in (("sys/mounts", {"cubbyhole", "identity", "system"}), ("sys/auth", {"token"})):
        for path, entry in bao.read(table).items():
            if isinstance(entry, dict) and entry.get("type") not in {*kept, "ns_system", "ns_token"}:
                bao.call("DELETE", f"{table}/{path.rstrip('/')}")
    for policy in bao.call("LIST", "sys/policies/acl")["data"]["keys"]:
        if policy not in ("default", "root"):
            bao.call("DELETE", f"sys/policies/acl/{policy}")
    return vault


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
