"""CAs that must stand in a chain, by the bytes of their certificates."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes

from issuer.x509.chains.anchors import Anchors, shown_cas
from issuer.x509.describe import fingerprint
from issuer.x509.errors import InvalidCertificate
from tests.ca import TestCA, pem

ROOT, OTHER = TestCA.make().root, TestCA.make().root
PEM = pem(ROOT).encode()


def test_an_anchor_is_known_by_hex_in_any_spelling_and_by_pem() -> None:
    root, other = ROOT, OTHER
    plain = root.fingerprint(hashes.SHA256()).hex()
    assert fingerprint(root) == plain
    colons = ":".join(plain[i : i + 2] for i in range(0, 64, 2)).upper()
    for anchors in (Anchors.from_hex([plain]), Anchors.from_hex(["00" * 32, colons]), Anchors.from_pem(PEM)):
        assert anchors.hold([other, root])
        assert not anchors.hold([other])
        assert not anchors.hold([])
    assert Anchors.from_pem(PEM + pem(OTHER).encode()).hold([other])
    assert plain in shown_cas([root])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        b"-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        b"x" * 600_000,
        PEM.replace(b"CERTIFICATE", b"PRIVATE KEY"),
    ],
)
def test_what_holds_no_certificates_is_no_anchor(content: bytes) -> None:
    with pytest.raises(InvalidCertificate):
        Anchors.from_pem(content)
