"""Files that are applied with interruptions, each with what it needs beside it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.pki.cas import root
from tests.pki.files import IMPORTED, OFFLINE, TWO_TIER
from tests.pki.interrupted import Case
from tests.pki.support import Vault, written

CASES: Final = ("two-tier", "imported", "offline")
EXAMPLES: Final = ("homelab", "three-roles", "below-existing-root", "offline-test", "offline-prod")
"""Files of config/pki. Their names are fixed, so a server has one of them at a time: `emptied` first."""
FOLDER: Final = Path(__file__).parents[2] / "config" / "pki"
PASSPHRASE: Final = "correct horse battery staple"  # of a test's key


def case_of(vault: Vault, folder: Path, name: str) -> Case:
    """Return a case by its name, its files written into a folder."""
    return {"two-tier": _two_tier, "imported": _imported, "offline": _offline}[name](vault, folder)


def example_of(vault: Vault, folder: Path, name: str) -> Case:
    """Return a case of a file of config/pki; what an apply writes and reads beside it is in the folder."""
    variables = {
        "PKI_ADDRESS": "http://vault.example.test:8200",
        "KUBERNETES_CA": vault.bao.ca_pem,
        "DEVICES": "127.0.0.0/8",
    }
    if name.startswith("offline-"):
        return _offline_root(vault, folder, name.removeprefix("offline-"), variables)
    file = Path(shutil.copy(FOLDER / f"{name}.yaml", folder))
    if name == "below-existing-root":
        _bundle(folder)
        variables["BUNDLE_PASSPHRASE"] = PASSPHRASE
    return Case(vault, (file,), variables)


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
    _bundle(folder)
    return Case(vault, (written(folder, IMPORTED),), {"PASSPHRASE": PASSPHRASE})


def _bundle(folder: Path) -> None:
    above = root("Home Root CA")
    home = above.below("Home Intermediate CA")
    written(folder, above.pem + home.key_pem(PASSPHRASE) + home.pem, "bundle.pem")


def _offline(vault: Vault, folder: Path) -> Case:
    return Case(vault, (written(folder, OFFLINE),), between=_signer(folder, "env"))


def _offline_root(vault: Vault, folder: Path, environment: str, variables: dict[str, str]) -> Case:
    files = tuple(
        Path(shutil.copy(FOLDER / "offline-root" / f"{one}.yaml", folder)) for one in ("pki", environment)
    )
    return Case(
        vault, files, {**variables, "ENVIRONMENT": environment}, _signer(folder, f"{environment}-ca", 0)
    )


def _signer(folder: Path, name: str, path_length: int | None = None) -> Callable[[], None]:
    """Return what an offline root does: the request NAME.csr becomes the certificate NAME.pem."""
    above = root("Offline Root CA")

    def sign() -> None:
        request = (folder / f"{name}.csr").read_text()
        (folder / f"{name}.pem").write_text(above.sign(request, path_length=path_length))

    return sign
