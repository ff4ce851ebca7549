"""A server's answers to an administrator's token, kept in memory, and certificates of it."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from issuer.enrolment.host import HostRecord, policy_text
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead

MACHINE = HostRecord("nas.example.com", "pki_int", "approle", "cert", ("nas.example.com",), ("192.0.2.5",))
_KEY = ec.generate_private_key(ec.SECP256R1())


class ServerInMemory(VaultCalls):
    """Objects by path, tokens by accessor, and certificates by serial number. `on_write` runs before each."""

    def __init__(self) -> None:
        self.objects: dict[str, Mapping[str, Any]] = {MACHINE.policy_path: {"policy": policy_text(MACHINE)}}
        self.tokens: dict[str, Mapping[str, Any]] = {}
        self.certificates: dict[str, str] = {}
        self.revoked: list[str] = []
        self.refused: set[str] = set()
        self.on_write: Callable[[str], None] = lambda _: None

    def new_token(self, accessor: str) -> None:  # type: ignore[override]
        """Have the machine log in."""
        self.tokens[accessor] = {"path": "auth/approle/login", "policies": [MACHINE.name]}

    async def read(self, path: str) -> PathRead:
        """Answer from memory."""
        if path in self.refused:
            return PathRead(refused="permission denied")
        if path == "auth/token/accessors/":
            return PathRead({"keys": list(self.tokens)})
        if path == f"{MACHINE.mount}/certs/":
            return PathRead({"keys": list(self.certificates)})
        found = self.certificates.get(path.removeprefix(f"{MACHINE.mount}/cert/"))
        return PathRead({"certificate": found}) if found else PathRead(self.objects.get(path))

    async def write(
        self, path: str, body: Mapping[str, Any] | None = None, method: str = "POST"
    ) -> dict[str, Any]:
        """Do what the calls of a lock and a removal do."""
        self.on_write(path)
        given = dict(body or {})
        if path == "auth/token/lookup-accessor":
            return dict(self.tokens[given["accessor"]])
        if path == "auth/token/revoke-accessor":
            del self.tokens[given["accessor"]]
        elif path == f"{MACHINE.mount}/revoke":
            self.revoked.append(given["serial_number"])
        elif method == "DELETE":
            self.objects.pop(path, None)
        else:
            self.objects[path] = given
        return {}


def certificate(common_name: str, *others: str) -> str:
    """Return a certificate, good for an hour, as PEM; `others` are its alternative names."""
    now = datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)] if common_name else [])
    made = x509.CertificateBuilder(
        name, name, _KEY.public_key(), x509.random_serial_number(), now, now + timedelta(hours=1)
    )
    if others:
        made = made.add_extension(x509.SubjectAlternativeName([_general(one) for one in others]), False)
    return made.sign(_KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _general(name: str) -> x509.GeneralName:
    if "@" in name:
        return x509.RFC822Name(name)
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
