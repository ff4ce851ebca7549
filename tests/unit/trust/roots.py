"""Roots, and the real trust stores that they are put into, in a folder of their own."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from issuer.trust.roots import TrustRoot
from issuer.trust.stores.system import SystemLayout
from tests.builders import NOW
from tests.ca import DAY, key_usage, name
from tests.rsa_keys import rsa_key

needs_update = pytest.mark.skipif(
    not shutil.which("update-ca-certificates"), reason="there is no update-ca-certificates"
)
needs_keytool = pytest.mark.skipif(not shutil.which("keytool"), reason="there is no keytool")


@cache
def make_root(
    common_name: str = "Root",
    *,
    number: int = 0,
    begins: datetime = NOW - 365 * DAY,
    days: int = 7300,
    ca: bool = True,
    signs: bool = True,
    bits: int = 0,
) -> TrustRoot:
    """Return a self-signed certificate, a new one for each `number`; `bits` makes an RSA key."""
    key = rsa_key(bits) if bits else ec.generate_private_key(ec.SECP256R1())
    extensions = [
        (x509.BasicConstraints(ca=ca, path_length=None), True),
        (key_usage(ca=signs), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False),
    ]
    return TrustRoot(self_signed(name(common_name), key, begins, days, extensions, number + 1))


def self_signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    begins: datetime,
    days: int,
    extensions: Sequence[tuple[x509.ExtensionType, bool]],
    serial: int = 1,
) -> x509.Certificate:
    """Return a certificate that its own key signed, with these extensions, each critical or not."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.sign(key, hashes.SHA256())


def system_layout(folder: Path) -> SystemLayout:
    """Return a system's store in a folder, of Debian's program, which trusts one root of somebody else."""
    anchors, certificates = folder / "anchors", folder / "certs"
    for one in (anchors, certificates, folder / "hooks"):
        one.mkdir()
    (folder / "conf").touch()
    (anchors / "company.crt").write_text(make_root("Company").pem)
    words = (
        *("update-ca-certificates", "--localcertsdir", str(anchors), "--etccertsdir", str(certificates)),
        *("--certsconf", str(folder / "conf"), "--hooksdir", str(folder / "hooks")),
    )
    return SystemLayout(
        anchors=anchors,
        update=words,
        update_removed=(*words, "--fresh"),
        bundle=certificates / "ca-certificates.crt",
        hashed=certificates,
    )
