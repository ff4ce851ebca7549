"""A CA certificate in all its fields, built the same with any key: first to be linted, then to be signed.

Nothing of a CSR but its subject and key goes into it. Source: RFC 5280 sections 4.1 and 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.root.certificates.keys import PrivateKey, PublicKey, digest_of

BACKDATED: Final = timedelta(minutes=5)
"""Time by which certificates and CRLs begin before now, since clocks of their readers differ."""


@dataclass(frozen=True, slots=True)
class CAProfile:
    """Fields of one CA certificate. `serial` is random; times are in whole seconds.

    `path_length` is the number of CAs that may follow below, None without a bound. `digital_signature` is
    for CAs that sign OCSP answers with their own key. `key_id` is the subject key identifier, None for the
    usual one; what stands below a cross-signed root names the root's own.
    """

    subject: x509.Name
    public_key: PublicKey
    serial: int
    not_before: datetime
    not_after: datetime
    path_length: int | None
    constraints: x509.NameConstraints | None = None
    crl_urls: Sequence[str] = field(default=())
    issuer_urls: Sequence[str] = field(default=())
    digital_signature: bool = False
    key_id: bytes | None = None


def signed_certificate(
    profile: CAProfile, key: PrivateKey, issuer: x509.Certificate | None
) -> x509.Certificate:
    """Return the certificate, signed by `key` in the name of `issuer`; without one it is self-signed."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(profile.subject)
        .issuer_name(profile.subject if issuer is None else issuer.subject)
        .public_key(profile.public_key)
        .serial_number(profile.serial)
        .not_valid_before(profile.not_before)
        .not_valid_after(profile.not_after)
    )
    for extension, critical in _extensions(profile, issuer):
        builder = builder.add_extension(extension, critical)
    return builder.sign(key, digest_of(key))  # type: ignore[arg-type]


def throwaway_key(like: PublicKey) -> PrivateKey:
    """Return a new key whose signatures have the algorithm of `like`: what it signs has the same fields."""
    if isinstance(like, rsa.RSAPublicKey):
        # Its size doesn't show in what is signed, and 4,096 bits take seconds to make.
        return rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    if isinstance(like, ec.EllipticCurvePublicKey):
        return ec.generate_private_key(like.curve)
    return Ed25519PrivateKey.generate()


def authority_key_identifier(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    """Return the identifier by which what `issuer` signs names its key."""
    try:
        own = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    except x509.ExtensionNotFound:  # an old root that was taken over
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key())  # type: ignore[arg-type]
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(own)


def _extensions(profile: CAProfile, issuer: x509.Certificate | None) -> list[tuple[x509.ExtensionType, bool]]:
    found: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=True, path_length=profile.path_length), True),
        (_key_usage(digital_signature=profile.digital_signature), True),
        (_key_identifier(profile), False),
    ]
    if issuer is not None:
        found.append((authority_key_identifier(issuer), False))
    if profile.constraints is not None:
        found.append((profile.constraints, True))
    if profile.crl_urls:
        found.append((_distribution_points(profile.crl_urls), False))
    if profile.issuer_urls:
        found.append((_authority_information(profile.issuer_urls), False))
    return found


def _key_identifier(profile: CAProfile) -> x509.SubjectKeyIdentifier:
    if profile.key_id is not None:
        return x509.SubjectKeyIdentifier(profile.key_id)
    return x509.SubjectKeyIdentifier.from_public_key(profile.public_key)


def _key_usage(*, digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _distribution_points(urls: Sequence[str]) -> x509.CRLDistributionPoints:
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def _authority_information(urls: Sequence[str]) -> x509.AuthorityInformationAccess:
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(url)
            )
            for url in urls
        ]
    )
