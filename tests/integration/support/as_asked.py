"""Holds a delivered certificate against all of a Certificate's spec, so that no test forgets a field."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from issuer.duration import parse_duration
from testbed.delivered import Delivered
from testbed.kube import Object
from testbed.vaultpki import PkiLayout
from tests.integration.support.features import AUTHORITY, VERBATIM

NAME_ANNOTATION: Final = "cert-manager.io/certificate-name"
SKEW: Final = timedelta(seconds=31)  # Vault's certificates begin 30 s before they are signed
DEFAULT_DURATION: Final = timedelta(days=90)

# `sign` takes these of the request's subject, by the role's allowed_serial_numbers and allowed_user_ids; the
# others are the role's own.
KEPT_BY_SIGN: Final = frozenset({NameOID.COMMON_NAME, NameOID.SERIAL_NUMBER, NameOID.USER_ID})

_EXTENDED: Final = {
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "ipsec user": x509.ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
}
_KEY_USAGES: Final[Mapping[str, Callable[[x509.KeyUsage], bool]]] = {
    "digital signature": lambda usage: usage.digital_signature,
    "key encipherment": lambda usage: usage.key_encipherment,
    "data encipherment": lambda usage: usage.data_encipherment,
    "content commitment": lambda usage: usage.content_commitment,
    "key agreement": lambda usage: usage.key_agreement,
    "cert sign": lambda usage: usage.key_cert_sign,
    "crl sign": lambda usage: usage.crl_sign,
}
_CURVES: Final = {256: "secp256r1", 384: "secp384r1", 521: "secp521r1"}


def assert_as_asked(certificate: Object, held: Object, layout: PkiLayout, mode: str) -> x509.Certificate:
    """The Secret holds what the Certificate's spec says, byte for byte where it matters; the leaf."""
    spec, status = certificate["spec"], certificate["status"]
    found = Delivered.from_secret(held)
    leaf = found.leaf
    assert held["metadata"]["annotations"][NAME_ANNOTATION] == certificate["metadata"]["name"]
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert ready["observedGeneration"] == certificate["metadata"]["generation"]
    _assert_key(leaf, found, spec)
    assert alternative_names(leaf) == names_asked(spec)
    if mode == VERBATIM:
        assert leaf.subject == subject_asked(spec)
    else:
        assert set(leaf.subject) == {one for one in subject_asked(spec) if one.oid in KEPT_BY_SIGN}
    assert usages_of(leaf) == usages_asked(spec)
    _assert_life(leaf, spec, status)
    _assert_authority(leaf, spec)
    assert_chain(found, layout)
    return leaf


def assert_chain(found: Delivered, layout: PkiLayout) -> None:
    """`tls.crt` holds the chain below the root, each signed by the next; `ca.crt` is the root."""
    assert found.ca_pem.strip() == layout.root_pem.strip()
    root = x509.load_pem_x509_certificate(layout.root_pem.encode())
    assert root not in (found.leaf, *found.intermediates)
    below = found.leaf
    for above in (*found.intermediates, root):
        below.verify_directly_issued_by(above)
        below = above


def _assert_key(leaf: x509.Certificate, found: Delivered, spec: Mapping[str, Any]) -> None:
    wanted = spec.get("privateKey") or {}
    algorithm, size = wanted.get("algorithm", "RSA"), wanted.get("size")
    key = leaf.public_key()
    assert found.key_matches
    if algorithm == "RSA":
        assert isinstance(key, rsa.RSAPublicKey)
        assert key.key_size == (size or 2048)
    elif algorithm == "ECDSA":
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == _CURVES[size or 256]
    else:
        assert isinstance(key, ed25519.Ed25519PublicKey)


def alternative_names(leaf: x509.Certificate | x509.CertificateSigningRequest) -> frozenset[str]:
    """The alternative names, each as `KIND:VALUE`; of an otherName the value is hexadecimal DER."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(map(_general_name, names))


def _general_name(name: x509.GeneralName) -> str:
    if isinstance(name, x509.OtherName):
        return f"other:{name.type_id.dotted_string}:{name.value.hex()}"
    kinds = {
        x509.DNSName: "dns",
        x509.IPAddress: "ip",
        x509.UniformResourceIdentifier: "uri",
        x509.RFC822Name: "email",
    }
    return f"{kinds[type(name)]}:{name.value}"


def names_asked(spec: Mapping[str, Any]) -> frozenset[str]:
    """The alternative names a spec asks for, as `alternative_names` has them."""
    others = (f"other:{one['oid']}:{_utf8(one['utf8Value']).hex()}" for one in spec.get("otherNames") or ())
    return frozenset(
        [
            *(f"dns:{one}" for one in spec.get("dnsNames") or ()),
            *(f"ip:{ipaddress.ip_address(one)}" for one in spec.get("ipAddresses") or ()),
            *(f"uri:{one}" for one in spec.get("uris") or ()),
            *(f"email:{one}" for one in spec.get("emailAddresses") or ()),
            *others,
        ]
    )


def _utf8(text: str) -> bytes:
    return bytes([0x0C, len(text.encode())]) + text.encode()


def subject_asked(spec: Mapping[str, Any]) -> x509.Name:
    """The subject a spec asks for, in its order; fields in the order in which Go 1.26 writes them."""
    if "literalSubject" in spec:
        return x509.Name.from_rfc4514_string(
            spec["literalSubject"], {"UID": NameOID.USER_ID, "DC": NameOID.DOMAIN_COMPONENT}
        )
    fields = spec.get("subject") or {}
    order = {
        NameOID.COUNTRY_NAME: fields.get("countries"),
        NameOID.STATE_OR_PROVINCE_NAME: fields.get("provinces"),
        NameOID.LOCALITY_NAME: fields.get("localities"),
        NameOID.STREET_ADDRESS: fields.get("streetAddresses"),
        NameOID.POSTAL_CODE: fields.get("postalCodes"),
        NameOID.ORGANIZATION_NAME: fields.get("organizations"),
        NameOID.ORGANIZATIONAL_UNIT_NAME: fields.get("organizationalUnits"),
        NameOID.COMMON_NAME: [spec["commonName"]] if spec.get("commonName") else None,
        NameOID.SERIAL_NUMBER: [fields["serialNumber"]] if fields.get("serialNumber") else None,
    }
    # Several values of one field stand in one relative name.
    return x509.Name(
        [
            x509.RelativeDistinguishedName([x509.NameAttribute(oid, value) for value in values])
            for oid, values in order.items()
            if values
        ]
    )


def usages_of(leaf: x509.Certificate) -> frozenset[str]:
    """Key usages and extended ones by cert-manager's names."""
    found: set[str] = set()
    for extension in leaf.extensions:
        if isinstance(extension.value, x509.KeyUsage):
            usage = extension.value
            found |= {name for name, given in _KEY_USAGES.items() if given(usage)}
        elif isinstance(extension.value, x509.ExtendedKeyUsage):
            names = {oid: name for name, oid in _EXTENDED.items()}
            found |= {names.get(oid, oid.dotted_string) for oid in extension.value}
    return frozenset(found)


def usages_asked(spec: Mapping[str, Any]) -> frozenset[str]:
    """Usages a spec asks for; without any cert-manager's default, and a CA's also cert sign."""
    asked = frozenset(spec.get("usages") or ("digital signature", "key encipherment"))
    named = frozenset("digital signature" if one == "signing" else one for one in asked)
    return named | {"cert sign"} if spec.get("isCA") else named


def _assert_life(leaf: x509.Certificate, spec: Mapping[str, Any], status: Mapping[str, Any]) -> None:
    begin, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
    duration = parse_duration(spec["duration"]) if "duration" in spec else DEFAULT_DURATION
    assert abs((end - begin) - duration) <= SKEW
    assert time_of(status["notAfter"]) == end
    if "renewBefore" in spec:
        assert time_of(status["renewalTime"]) == end - parse_duration(spec["renewBefore"])
    if "renewBeforePercentage" in spec:
        life = end - begin
        wanted = end - life * spec["renewBeforePercentage"] / 100
        assert abs(time_of(status["renewalTime"]) - wanted) <= timedelta(seconds=1)


def time_of(text: str) -> datetime:
    """A Kubernetes time."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _assert_authority(leaf: x509.Certificate, spec: Mapping[str, Any]) -> None:
    constraints = [one.value for one in leaf.extensions if isinstance(one.value, x509.BasicConstraints)]
    if spec.get("isCA"):
        assert [(one.ca, one.path_length) for one in constraints] == [(True, AUTHORITY["maxPathLength"])]
    else:
        assert not any(one.ca for one in constraints)


def data_of(held: Object) -> dict[str, bytes]:
    """A Secret's data, decoded."""
    return {name: base64.b64decode(value) for name, value in held["data"].items()}
