"""What a certificate Secret holds, and whether it is what a TLS client would accept."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store

from testbed.errors import TestbedError

TIME = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A TLS Secret, decoded: the leaf, the intermediates after it, and ``ca.crt``."""

    leaf: x509.Certificate
    intermediates: tuple[x509.Certificate, ...]
    ca_pem: str
    key_matches: bool

    @classmethod
    def from_secret(cls, secret: Mapping[str, Any]) -> Delivered:
        """Read ``tls.crt``, ``tls.key`` and ``ca.crt`` of a Secret."""
        data = {name: base64.b64decode(value) for name, value in secret["data"].items()}
        leaf, *intermediates = x509.load_pem_x509_certificates(data["tls.crt"])
        key = load_pem_private_key(data["tls.key"], None)
        public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        matches = key.public_key().public_bytes(*public) == leaf.public_key().public_bytes(*public)
        return cls(leaf, tuple(intermediates), data.get("ca.crt", b"").decode(), matches)

    @property
    def serial(self) -> str:
        """As Vault writes it: ``1a:2b:…``."""
        digits = f"{self.leaf.serial_number:x}"
        digits = digits.zfill(len(digits) + len(digits) % 2)
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

    @property
    def dns_names(self) -> tuple[str, ...]:
        """DNS names of the subject alternative name."""
        names = self.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return tuple(names.get_values_for_type(x509.DNSName))

    def verify(self, root_pem: str, host: str) -> None:
        """Verify as a TLS client would that trusts only ``root_pem``.

        Raises:
            TestbedError: what is wrong.
        """
        if not self.key_matches:
            raise TestbedError("tls.key does not belong to tls.crt")
        if self.ca_pem.strip() != root_pem.strip():
            raise TestbedError("ca.crt is not the root CA")
        root = x509.load_pem_x509_certificate(root_pem.encode())
        if root in self.intermediates:
            raise TestbedError("tls.crt carries the root, which a client neither needs nor trusts from there")
        verifier = (
            PolicyBuilder()
            .store(Store([root]))
            .time(datetime.now(UTC))
            .build_server_verifier(x509.DNSName(host))
        )
        try:
            verifier.verify(self.leaf, list(self.intermediates))
        except x509.verification.VerificationError as error:
            raise TestbedError(f"the chain does not verify to the root: {error}") from error

    def rows(self) -> list[tuple[str, str]]:
        """Facts worth showing."""
        leaf = self.leaf
        issuer = leaf.issuer.rfc4514_string()
        return [
            ("serial", self.serial),
            ("names", ", ".join(self.dns_names)),
            (
                "valid",
                f"{leaf.not_valid_before_utc:{TIME}} to {leaf.not_valid_after_utc:{TIME}} UTC",
            ),
            ("issued by", issuer),
            ("chain", f"leaf and {len(self.intermediates)} intermediate in tls.crt, root in ca.crt"),
        ]
