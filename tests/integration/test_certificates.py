"""A Certificate becomes a Secret by way of cert-manager's own controllers, and is renewed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.samples import certificate
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.integration.support.common import CERT_MANAGER, REQUEST
from tests.integration.support.renewal import renew
from tests.integration.support.scope import Scope, sweep

WILDCARD = f"*.{DOMAIN}"
HOST = f"www.{DOMAIN}"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
    sweep(bed)


@pytest.fixture(params=["cluster", "namespaced"])
def scope(bed: Testbed, layout: PkiLayout, namespace: str, request: pytest.FixtureRequest) -> Scope:
    """An issuer of each kind in turn, with a token."""
    return with_token(Scope(bed, namespace, namespace, cluster=request.param == "cluster"), layout)


@pytest.fixture
def cluster(bed: Testbed, layout: PkiLayout, namespace: str) -> Scope:
    """A cluster issuer with a token."""
    return with_token(Scope(bed, namespace, namespace), layout)


def with_token(scope: Scope, layout: PkiLayout) -> Scope:
    """Apply the issuer with a token in its Secret."""
    scope.grant()
    scope.store(token=setup_token(scope.bed.vault, layout.policy))
    scope.apply({"tokenSecretRef": scope.reference("token")})
    return scope


def issue(scope: Scope, **spec: object) -> Delivered:
    """The Certificate ``web``, issued; what its Secret holds."""
    wanted = certificate("web", scope.namespace, scope.name, (WILDCARD,), kind=scope.kind, **spec)
    scope.bed.kube.apply(wanted)
    scope.bed.kube.wait(CERT_MANAGER, "Certificate", "web", scope.namespace)
    return delivered(scope)


def delivered(scope: Scope) -> Delivered:
    """What the Secret of ``web`` holds."""
    return Delivered.from_secret(scope.bed.kube.get("v1", "Secret", "web-tls", scope.namespace))


def public_key(found: Delivered) -> bytes:
    """The leaf's public key."""
    return found.leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_a_wildcard_certificate_becomes_a_secret_and_is_renewed(scope: Scope, layout: PkiLayout) -> None:
    first = issue(scope)
    assert isinstance(first.leaf.public_key(), ec.EllipticCurvePublicKey)
    assert first.dns_names == (WILDCARD,)
    assert first.intermediates == (x509.load_pem_x509_certificate(layout.intermediate_pem.encode()),)
    assert first.ca_pem.strip() == layout.root_pem.strip()
    first.verify(layout.root_pem, HOST)

    renew(scope.bed.kube, "web", scope.namespace)
    scope.bed.kube.wait(
        "v1",
        "Secret",
        "web-tls",
        scope.namespace,
        until=lambda found: Delivered.from_secret(found).serial != first.serial,
    )
    second = delivered(scope)
    second.verify(layout.root_pem, HOST)
    assert public_key(second) != public_key(first)
    # The Secret is written a moment before the Certificate's own status.
    scope.bed.kube.wait(
        CERT_MANAGER,
        "Certificate",
        "web",
        scope.namespace,
        until=lambda found: found["status"].get("revision") == 2,
    )


def test_the_requester_is_stamped_and_the_request_tells_how_it_went(scope: Scope) -> None:
    issue(scope)
    request = scope.bed.kube.get(CERT_MANAGER, REQUEST, "web-1", scope.namespace)
    assert request["spec"]["username"] == "system:serviceaccount:cert-manager:cert-manager"
    reasons = {one["type"]: (one["status"], one["reason"]) for one in request["status"]["conditions"]}
    assert reasons["Approved"] == ("True", "vault-issuer.io")
    assert reasons["Ready"] == ("True", "Issued")


def test_an_rsa_key(cluster: Scope, layout: PkiLayout) -> None:
    found = issue(cluster, privateKey={"algorithm": "RSA", "size": 2048, "rotationPolicy": "Always"})
    key = found.leaf.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    assert key.key_size == 2048
    found.verify(layout.root_pem, HOST)


def test_an_ed25519_key(cluster: Scope, layout: PkiLayout) -> None:
    found = issue(cluster, privateKey={"algorithm": "Ed25519", "rotationPolicy": "Always"})
    assert isinstance(found.leaf.public_key(), ed25519.Ed25519PublicKey)
    assert found.key_matches
    assert found.ca_pem.strip() == layout.root_pem.strip()
    # The web's certificate profile, by which `verify` judges, has no Ed25519 keys.
    (intermediate,) = found.intermediates
    found.leaf.verify_directly_issued_by(intermediate)
    intermediate.verify_directly_issued_by(x509.load_pem_x509_certificate(layout.root_pem.encode()))
