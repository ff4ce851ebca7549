"""What a Secret holds beside the certificate, and what happens to it later: by signing mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.kube import Object
from testbed.vaultpki import PkiLayout
from tests.integration.support.as_asked import assert_as_asked, data_of, time_of
from tests.integration.support.common import CERT_MANAGER, condition, ready, rewrite, secret
from tests.integration.support.features import MODES, Case, case, host, setup_features
from tests.integration.support.keystores import read_jks
from tests.integration.support.scope import sweep

NAMESPACE = "features-life"
PASSWORD = "a password of the keystores"
REFERENCE = {"name": "keystore-password", "key": "password"}
NEVER = {"algorithm": "ECDSA", "rotationPolicy": "Never"}
ALWAYS = {"algorithm": "ECDSA", "rotationPolicy": "Always"}

OUTPUTS = case(
    "outputs",
    dnsNames=host("outputs"),
    additionalOutputFormats=[{"type": "DER"}, {"type": "CombinedPEM"}],
    keystores={
        "pkcs12": {"create": True, "profile": "Modern2023", "passwordSecretRef": REFERENCE},
        "jks": {"create": True, "alias": "web", "passwordSecretRef": REFERENCE},
    },
)
ROTATED = case("rotated", ALWAYS, dnsNames=host("rotated"))
KEPT = case("kept", NEVER, dnsNames=host("kept"))
LOST = case("lost", NEVER, dnsNames=host("lost"))
CHANGED = case("changed", dnsNames=host("changed"))
CASES = (OUTPUTS, ROTATED, KEPT, LOST, CHANGED)

pytestmark = pytest.mark.parametrize("mode", MODES)
Find = Callable[[Case, str], tuple[Object, Object]]


@pytest.fixture(scope="module")
def issued(bed: Testbed, layout: PkiLayout) -> Iterator[Find]:
    """All Certificates of the module, asked for at once; the Certificate, settled, and the Secret of one."""
    with ControllerProcess(bed):
        setup_features(bed, layout)
        bed.create_namespace(NAMESPACE)
        bed.kube.apply(secret(REFERENCE["name"], NAMESPACE, password=PASSWORD))
        bed.kube.apply([one.certificate(mode, NAMESPACE) for one in CASES for mode in MODES])

        def find(one: Case, mode: str) -> tuple[Object, Object]:
            name = f"{one.name}-{mode}"
            wait(bed, name, settled)
            held = bed.kube.get("v1", "Secret", f"{name}-tls", NAMESPACE)
            ends = Delivered.from_secret(held).leaf.not_valid_after_utc
            # cert-manager writes the status's dates a moment after the Secret.
            told = wait(bed, name, lambda found: time_of(found["status"]["notAfter"]) == ends)
            return told, held

        yield find
    sweep(bed)


def wait(bed: Testbed, name: str, until: Callable[[Object], bool]) -> Object:
    """Wait for something of a Certificate."""
    return bed.kube.wait(CERT_MANAGER, "Certificate", name, NAMESPACE, until=until)


def settled(found: Object) -> bool:
    """Whether the Certificate, as it is now, is Ready, and nothing is being issued for it."""
    told = ready(found)
    return (
        told.get("status") == "True"
        and told.get("observedGeneration") == found["metadata"]["generation"]
        and condition(found, "Issuing").get("status") != "True"
    )


def revision(number: int) -> Callable[[Object], bool]:
    """Whether it is settled, and the so manyth certificate."""
    return lambda found: settled(found) and found["status"].get("revision") == number


def public_key(key_of: x509.Certificate) -> bytes:
    """The public key, for comparing."""
    return key_of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def change(bed: Testbed, name: str, edit: Callable[[Object], object], subresource: str | None = None) -> None:
    """Read a Certificate, edit and write it; tried again when cert-manager writes at the same time."""
    rewrite(bed.kube, lambda: bed.kube.get(CERT_MANAGER, "Certificate", name, NAMESPACE), edit, subresource)


def renew(found: Object) -> None:
    """What ``cmctl renew`` writes."""
    found["status"]["conditions"].append(
        {
            "type": "Issuing",
            "status": "True",
            "reason": "ManuallyTriggered",
            "message": "asked for by a test",
            "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def test_pkcs12_holds_key_leaf_and_chain(issued: Find, layout: PkiLayout, mode: str) -> None:
    _, held = issued(OUTPUTS, mode)
    found, data = Delivered.from_secret(held), data_of(held)
    store = load_pkcs12(data["keystore.p12"], PASSWORD.encode())
    assert store.cert is not None
    assert store.cert.certificate == found.leaf
    assert store.key is not None
    assert store.key.public_key() == found.leaf.public_key()
    root = x509.load_pem_x509_certificate(layout.root_pem.encode())
    assert {one.certificate for one in store.additional_certs} >= set(found.intermediates)
    trusted = load_pkcs12(data["truststore.p12"], PASSWORD.encode())
    assert [one.certificate for one in trusted.additional_certs] == [root]


def test_jks_holds_key_leaf_and_chain(issued: Find, layout: PkiLayout, mode: str) -> None:
    _, held = issued(OUTPUTS, mode)
    found, data = Delivered.from_secret(held), data_of(held)
    key, chain = read_jks(data["keystore.jks"], PASSWORD).keys["web"]
    assert chain[:2] == [found.leaf, *found.intermediates]
    assert key.public_key() == found.leaf.public_key()
    root = x509.load_pem_x509_certificate(layout.root_pem.encode())
    assert list(read_jks(data["truststore.jks"], PASSWORD).trusted.values()) == [root]


def test_der_and_combined_pem_hold_the_same_key(issued: Find, mode: str) -> None:
    _, held = issued(OUTPUTS, mode)
    data = data_of(held)
    key = load_pem_private_key(data["tls.key"], None)
    assert load_der_private_key(data["key.der"], None).public_key() == key.public_key()
    assert data["tls-combined.pem"].split() == (data["tls.key"] + b"\n" + data["tls.crt"]).split()


def test_ca_crt_is_the_root(issued: Find, layout: PkiLayout, mode: str) -> None:
    certificate, held = issued(OUTPUTS, mode)
    assert data_of(held)["ca.crt"].strip() == layout.root_pem.encode().strip()
    assert_as_asked(certificate, held, layout, mode)


@pytest.mark.parametrize("one", [ROTATED, KEPT], ids=["always", "never"])
def test_a_renewal_rotates_the_private_key_or_keeps_it(
    bed: Testbed, issued: Find, layout: PkiLayout, mode: str, one: Case
) -> None:
    first = Delivered.from_secret(issued(one, mode)[1]).leaf
    change(bed, f"{one.name}-{mode}", renew, "status")
    wait(bed, f"{one.name}-{mode}", revision(2))
    second = assert_as_asked(*issued(one, mode), layout, mode)
    assert second.serial_number != first.serial_number
    assert (public_key(second) == public_key(first)) is (one is KEPT)


def test_a_lost_certificate_is_issued_again_for_the_same_key(
    bed: Testbed, issued: Find, layout: PkiLayout, mode: str
) -> None:
    _, held = issued(LOST, mode)
    first = Delivered.from_secret(held).leaf
    name = held["metadata"]["name"]
    bed.kube.patch("v1", "Secret", name, {"data": {"tls.crt": ""}}, NAMESPACE)
    wait(bed, f"{LOST.name}-{mode}", revision(2))
    second = assert_as_asked(*issued(LOST, mode), layout, mode)
    assert second.serial_number != first.serial_number
    assert public_key(second) == public_key(first)


def test_a_changed_spec_is_issued_anew(bed: Testbed, issued: Find, layout: PkiLayout, mode: str) -> None:
    issued(CHANGED, mode)
    added = host("added")[0]
    change(bed, f"{CHANGED.name}-{mode}", lambda found: found["spec"]["dnsNames"].append(added))
    wait(bed, f"{CHANGED.name}-{mode}", revision(2))
    leaf = assert_as_asked(*issued(CHANGED, mode), layout, mode)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {*host("changed"), added}
