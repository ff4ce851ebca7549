"""Whose CAs certificates may come from: those of the mount, and `spec.trustedCA` as an anchor."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.vaultpki import PkiLayout, mount_pki, setup_policy, setup_role, setup_token, sign_intermediate
from tests.integration.support.common import (
    ready,
    revocations,
    secret,
    wait_answer,
    wait_issued,
)
from tests.integration.support.forging_vault import ForgingVault
from tests.integration.support.scope import Scope, certificates_of, sweep

MOUNT = "pki_trust"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """A controller, and a mount with two CAs below the root and one of another root.

    The roles `lab`, `second` and `alien` sign with the default, the second and the alien one.
    """
    mount_pki(bed.vault, MOUNT, 8000)
    for name in ("second", "first"):
        sign_intermediate(bed.vault, layout.root_mount, MOUNT, name, 4000, f"{name.title()} CA")
    alien = {"common_name": "Alien Root", "issuer_name": "alien", "key_type": "ec", "ttl": "8000h"}
    bed.vault.write(f"{MOUNT}/root/generate/internal", alien)
    for role, issuer in (("lab", "default"), ("second", "second"), ("alien", "alien")):
        setup_role(bed.vault, MOUNT, role, issuer_ref=issuer)
        setup_policy(bed.vault, MOUNT, role)
    with ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
        sweep(bed)


def sha256(pem: str) -> str:
    """The fingerprint as OpenSSL prints it."""
    found = x509.load_pem_x509_certificate(pem.encode()).fingerprint(hashes.SHA256()).hex(":")
    return found.upper()


def applied(scope: Scope, role: str = "lab", **own: Any) -> None:
    """The issuer, with one role of the mount."""
    token = setup_token(scope.bed.vault, f"{MOUNT}-{role}")
    scope.apply_with_token(token, own, path=f"{MOUNT}/sign/{role}")


def test_a_certificate_of_a_ca_that_the_mount_does_not_have_is_not_delivered(
    bed: Testbed, cluster: Scope, layout: PkiLayout
) -> None:
    """With the right key and names. The issuer says so, and goes on when the answers are Vault's again."""
    with ForgingVault(bed) as forging:
        token = setup_token(bed.vault, layout.policy)
        cluster.apply_with_token(token, server=forging.addr, caBundle=forging.ca_bundle)
        cluster.wait_ready()
        cluster.request("one", duration="24h")
        told = cluster.wait_reason("BadAnswer")
        found = wait_answer(bed, "one", cluster.namespace, "Pending")
        assert "certificate" not in found["status"]
        assert sha256_of(forging.root) in told
        assert forging.forged >= 1
        forging.forges = False
        issued = wait_issued(bed, "one", cluster.namespace, timeout=60.0)
        cluster.delete()
    assert base64.b64decode(issued["status"]["ca"]).decode().strip() == layout.root_pem.strip()


def sha256_of(certificate: x509.Certificate) -> str:
    """The fingerprint as the controller prints it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def test_another_issuer_of_the_mount_and_one_made_meanwhile_are_delivered(
    bed: Testbed, scope: Scope, layout: PkiLayout
) -> None:
    scope.grant()
    applied(scope, "second")
    scope.wait_ready()
    leaf, above = certificates_of(scope.issue("one"))
    assert "Second CA" in above.subject.rfc4514_string()
    leaf.verify_directly_issued_by(above)
    applied(scope)
    scope.wait_checked()
    name = f"rotated-{'c' if scope.cluster else 'n'}"
    sign_intermediate(bed.vault, layout.root_mount, MOUNT, name, 4000, name)
    leaf, above = certificates_of(scope.issue("two"))
    assert name in above.subject.rfc4514_string()


def test_an_anchor_must_stand_in_the_issuers_chain(bed: Testbed, scope: Scope, layout: PkiLayout) -> None:
    """By fingerprint and by Secret, which is read again at each check."""
    scope.grant()
    root, other = layout.root_pem, bed.vault.read(f"{MOUNT}/issuer/alien")["certificate"]
    applied(scope, trustedCA={"sha256": ["00" * 32]})
    told = scope.wait_reason("CANotTrusted")
    assert sha256(root).replace(":", "").lower() in told
    applied(scope, trustedCA={"sha256": ["00" * 32, sha256(root)]})
    scope.wait_checked()
    scope.issue("by-hex")
    bed.kube.apply(secret(scope.ca_secret, scope.home, **{"ca.crt": f"{other}\n{root}"}))
    applied(scope, trustedCA={"secretRef": {"name": scope.ca_secret}})
    scope.wait_checked()
    scope.issue("by-secret")
    bed.kube.apply(secret(scope.ca_secret, scope.home, **{"ca.crt": other}))
    scope.wait_reason("CANotTrusted")
    bed.kube.apply(secret(scope.ca_secret, scope.home, **{"ca.crt": "not PEM"}))
    assert "not PEM" not in scope.wait_reason("InvalidTrustedCA").replace("are not PEM", "")
    bed.kube.apply(secret(scope.ca_secret, scope.home, **{"ca.crt": root}))
    scope.wait_ready()


def test_an_answer_without_the_anchor_is_revoked_and_told(
    bed: Testbed, cluster: Scope, layout: PkiLayout
) -> None:
    """The mount's default leads to the anchor, the role's own CA doesn't."""
    applied(cluster, "alien", trustedCA={"sha256": [sha256(layout.root_pem)]})
    cluster.wait_ready()
    before = revocations(bed, MOUNT)
    cluster.request("one")
    told = cluster.wait_reason("BadAnswer")
    assert "Alien Root" in told
    found = wait_answer(bed, "one", cluster.namespace, "Pending")
    assert "certificate" not in found["status"]
    assert revocations(bed, MOUNT) > before
    # Another generation of the issuer: its requests needn't wait for the pause.
    applied(cluster, "lab", trustedCA={"sha256": [sha256(layout.root_pem)]})
    assert "issued" in str(ready(wait_issued(bed, "one", cluster.namespace, timeout=60.0))).lower()
