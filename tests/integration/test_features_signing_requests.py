"""Every feature of a Kubernetes CertificateSigningRequest, by signing mode: the certificate is as asked."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.x509.oid import NameOID

from issuer.requests.kubernetes_csr import DURATION, IS_CA
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.vaultpki import PkiLayout
from tests.builders import csr_with
from tests.integration.support.as_asked import DEFAULT_DURATION, SKEW, alternative_names, usages_of
from tests.integration.support.features import (
    AUTHORITY,
    ISSUER,
    LONGEST_LABEL,
    MODES,
    SIGN,
    USAGES_ISSUER,
    host,
    setup_features,
)
from tests.integration.support.scope import sweep
from tests.integration.support.signing_requests import CERTIFICATES, CLUSTER, CSR, ask, decide, wait_signed

Key = Callable[[], CertificateIssuerPrivateKeyTypes]
KEYS: Final[Mapping[str, Key]] = {
    "rsa": lambda: rsa.generate_private_key(65537, 2048),
    "ecdsa": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
DEFAULT_USAGES: Final = ("digital signature", "key encipherment")
ROLE_USAGES: Final = ("server auth", "client auth", "digital signature", "data encipherment")
# Vault's sign-intermediate gives a CA these of the asked ones, unless the CSR's own bytes name usages.
CA_ASKED: Final = (*DEFAULT_USAGES, "cert sign")
CA_USAGES: Final = {"digital signature", "cert sign", "crl sign"}
URI: Final = "spiffe://cluster.local/ns/sandbox/sa/foo"


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked for: in the CSR's bytes (key, names, common name), and in the object around it."""

    name: str
    key: str = "ecdsa"
    common_name: str = ""
    names: tuple[x509.GeneralName, ...] = ()
    usages: tuple[str, ...] = DEFAULT_USAGES
    life: timedelta = DEFAULT_DURATION
    annotations: Mapping[str, str] = field(default_factory=dict)
    seconds: int | None = None  # beyond 90 days an annotation alone is not enough, as anybody may change it

    @property
    def is_ca(self) -> bool:
        """Whether the annotation asks for a CA."""
        return self.annotations.get(IS_CA) == "true"

    def signer(self, mode: str) -> str:
        """The signer's name: of an issuer whose role has the case's usages, where a role decides them."""
        name = USAGES_ISSUER if mode == SIGN and self.usages == ROLE_USAGES else ISSUER[mode]
        return f"{CLUSTER}/{name}"


def dns(*names: str) -> tuple[x509.GeneralName, ...]:
    """DNS names."""
    return tuple(map(x509.DNSName, names))


IP: Final = (x509.IPAddress(ipaddress.ip_address("127.0.0.1")),)
LIFE: Final = timedelta(hours=896)
DAYS: Final = {DURATION: "896h"}

CASES: Final = (
    Case("rsa", "rsa", names=dns(*host("rsa"))),
    Case("ecdsa", "ecdsa", names=dns(*host("ec"))),
    Case("ed25519", "ed25519", names=dns(*host("ed"))),
    Case("common-name-only-rsa", "rsa", "test-common-name-rsa"),
    Case("common-name-only-ecdsa", "ecdsa", "test-common-name-ec"),
    Case("common-name-only-ed25519", "ed25519", "test-common-name-ed"),
    Case("common-name-and-ip", common_name="test-common-name-ip", names=IP),
    Case("ip-only", names=IP),
    Case("dns-name-and-ip", names=(*IP, *dns(*host("ip")))),
    Case("ca", names=dns(*host("ca")), usages=CA_ASKED, annotations={IS_CA: "true"}),
    Case("email-only", names=tuple(map(x509.RFC822Name, ("alice@example.com", "bob@cert-manager.io")))),
    Case(
        "common-name-and-uri",
        common_name="test-common-name-uri",
        names=(x509.UniformResourceIdentifier(URI),),
    ),
    Case("dns-names-one-as-common-name", common_name=host("cn")[0], names=dns(*host("cn"), *host("more"))),
    Case("dns-name-and-another-common-name", common_name=host("cn")[0], names=dns(*host("other"))),
    Case(
        "duration-with-common-name",
        common_name=host("life")[0],
        names=dns(*host("life")),
        life=LIFE,
        annotations=DAYS,
    ),
    Case(
        "expiration-seconds",
        common_name=host("seconds")[0],
        names=dns(*host("seconds")),
        life=timedelta(seconds=3333),
        seconds=3333,
    ),
    Case("duration", names=dns(*host("days")), life=LIFE, annotations=DAYS),
    Case("wildcard", names=dns(*host("*.wild"))),
    Case("wildcard-and-apex", names=dns(*host("*.apex"), *host("apex"))),
    Case("uri-only", names=(x509.UniformResourceIdentifier(URI),)),
    Case("key-usages-with-common-name", common_name=host("usages")[0], usages=ROLE_USAGES),
    Case("key-usages", names=dns(*host("usages")), usages=ROLE_USAGES),
    Case(
        "ca-long-lived",
        common_name="cert-manager-ca",
        usages=CA_ASKED,
        life=timedelta(hours=10_000),
        annotations={IS_CA: "true", DURATION: "10000h"},
        seconds=10_000 * 3600,
    ),
    Case("long-label", names=dns(*host(LONGEST_LABEL))),
)

EACH: Final = [(mode, one) for one in CASES for mode in MODES]


@pytest.fixture(scope="module")
def asked(bed: Testbed, layout: PkiLayout) -> Iterator[Mapping[str, x509.CertificateSigningRequest]]:
    """All requests of the module, made and approved; the CSRs by the object's name."""
    with ControllerProcess(bed):
        setup_features(bed, layout)
        made = {}
        for mode, one in EACH:
            pem, name = request_pem(one), name_of(mode, one)
            made[name] = x509.load_pem_x509_csr(pem)
            ask(bed.kube, name, one.signer(mode), annotations=dict(one.annotations), **spec(one, pem))
            decide(bed, name)
        yield made
    for name in made:
        bed.kube.delete(CERTIFICATES, CSR, name)
    sweep(bed)


def path_lengths(leaf: x509.Certificate) -> list[int | None]:
    """The path length, if it is a CA."""
    found = (one.value for one in leaf.extensions if isinstance(one.value, x509.BasicConstraints))
    return [one.path_length for one in found if one.ca]


def name_of(mode: str, one: Case) -> str:
    """Name of the object."""
    return f"features-{mode}-{one.name}"


def request_pem(one: Case) -> bytes:
    """The CSR: without usages, as they are in the object."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, one.common_name)] if one.common_name else []
    extensions: list[x509.ExtensionType] = [x509.SubjectAlternativeName(one.names)] if one.names else []
    if one.is_ca:
        extensions.append(x509.BasicConstraints(ca=True, path_length=None))
    return csr_with(*extensions, subject=x509.Name(attributes), key=KEYS[one.key]())


def spec(one: Case, pem: bytes) -> dict[str, Any]:
    """The object's spec, but for the signer."""
    seconds = {} if one.seconds is None else {"expirationSeconds": one.seconds}
    return {"request": base64.b64encode(pem).decode(), "usages": list(one.usages), **seconds}


@pytest.mark.parametrize(("mode", "one"), EACH, ids=[f"{mode}-{one.name}" for mode, one in EACH])
def test_signing_request(
    bed: Testbed,
    layout: PkiLayout,
    asked: Mapping[str, x509.CertificateSigningRequest],
    mode: str,
    one: Case,
) -> None:
    """Key, names, subject, usages, life, CA flag and chain, each as asked; approved, not failed."""
    name = name_of(mode, one)
    leaf, *above = wait_signed(bed, name)
    csr = asked[name]
    assert leaf.public_key() == csr.public_key()
    assert leaf.subject == csr.subject
    assert alternative_names(leaf) == alternative_names(csr)
    assert usages_of(leaf) == (CA_USAGES if one.is_ca else set(one.usages))
    assert abs(leaf.not_valid_after_utc - leaf.not_valid_before_utc - one.life) <= SKEW
    assert path_lengths(leaf) == ([AUTHORITY["maxPathLength"]] if one.is_ca else [])
    root = x509.load_pem_x509_certificate(layout.root_pem.encode())
    for lower, upper in pairwise([leaf, *above, root]):
        lower.verify_directly_issued_by(upper)
    conditions = {found["type"] for found in bed.kube.get(CERTIFICATES, CSR, name)["status"]["conditions"]}
    assert conditions == {"Approved"}
