"""A PKI mount of a test that issues certificates, stored and not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.pki.support import Vault


@dataclass
class Store:
    """A mount, whose role `short` stores nothing."""

    vault: Vault
    mount: str

    def issue(self, name: str, role: str = "web", ttl: str = "2h") -> dict[str, Any]:
        """Issue a certificate, and return Vault's answer."""
        return self.vault.bao.write(f"{self.mount}/issue/{role}", {"common_name": name, "ttl": ttl})

    def revoke(self, issued: dict[str, Any]) -> None:
        """Revoke what was issued."""
        self.vault.bao.write(f"{self.mount}/revoke", {"serial_number": issued["serial_number"]})


def new_store(vault: Vault, suffix: str = "") -> Store:
    """Return a mount that has issued nothing but its CA, "lab"."""
    mount = f"{vault.name}-pki{suffix}"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
    root = {"common_name": "lab root", "ttl": "8760h", "key_type": "ec", "issuer_name": "lab"}
    vault.bao.write(f"{mount}/root/generate/internal", root)
    role = {"allow_any_name": True, "key_type": "ec", "cn_validations": ["disabled"]}
    role["enforce_hostnames"] = False
    vault.bao.call("POST", f"{mount}/roles/web", role)
    vault.bao.call("POST", f"{mount}/roles/short", {**role, "no_store": True})
    return Store(vault, mount)
