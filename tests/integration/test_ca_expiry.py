"""A CA that ends before its certificates would: refused or shortened, told ahead, and never in a loop."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509

from issuer.text import parse_rfc3339
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.samples import API_VERSION, certificate
from testbed.vaultpki import (
    DOMAIN,
    PkiLayout,
    mount_pki,
    setup_policy,
    setup_role,
    setup_token,
    sign_intermediate,
)
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    events,
    ready,
    revocations,
    signed_csrs,
    wait_answer,
)
from tests.integration.support.scope import BY_CLUSTER_ISSUER, Scope, certificates_of, sweep

SOON, NOW_OR_NEVER, PINNED, NAMED = "pki_soon", "pki_now", "pki_pinned", "pki_named"
STRICT_SHORTEN = {"caExpiry": "Shorten", "verification": "Strict"}
EXACT = ["digital signature", "key encipherment"]
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """A controller, and CAs: 30 hours, one hour, and twice 30 hours behind a role whose mount has another
    default; one of these cuts lives off."""
    for mount, hours in ((SOON, (30,)), (NOW_OR_NEVER, (1,)), (PINNED, (30, 8000)), (NAMED, (30, 7000))):
        mount_pki(bed.vault, mount, 8000)
        for number in hours:
            sign_intermediate(bed.vault, layout.root_mount, mount, f"ends-in-{number}", number)
        setup_role(bed.vault, mount, "lab", max_ttl="8000h", issuer_ref=f"ends-in-{hours[0]}")
        setup_policy(bed.vault, mount, "lab")
    bed.vault.call(
        "PATCH",
        f"{PINNED}/issuer/ends-in-30",
        {"leaf_not_after_behavior": "truncate"},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    with ControllerProcess(bed, ["--issuer-check-period=1"]) as one:
        yield one
        sweep(bed)


@pytest.fixture(params=["cluster", "namespaced"])
def scope(bed: Testbed, namespace: str, request: pytest.FixtureRequest) -> Scope:
    """An issuer of each kind in turn."""
    return Scope(bed, namespace, namespace, cluster=request.param == "cluster")


def applied(scope: Scope, mount: str, own: dict[str, Any] | None = None) -> Scope:
    """A Ready issuer of that CA."""
    scope.apply_with_token(setup_token(scope.bed.vault, f"{mount}-lab"), own, path=f"{mount}/sign/lab")
    scope.wait_checked()
    return scope


def failure(scope: Scope, name: str) -> str:
    """Why the request failed."""
    return str(ready(wait_answer(scope.bed, name, scope.namespace, "Failed"))["message"])


def ends(bed: Testbed, mount: str) -> datetime:
    """When the mount's default CA ends."""
    pem = bed.vault.read(f"{mount}/cert/ca")["certificate"]
    return x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def requests_of(scope: Scope) -> list[Any]:
    """The CertificateRequests of the test."""
    return scope.bed.kube.list(CERT_MANAGER, REQUEST, scope.namespace)


def test_refuse_fails_what_would_outlive_the_ca_before_anything_is_sent(scope: Scope) -> None:
    applied(scope, SOON)
    scope.issue("fits", duration="24h")
    before = len(signed_csrs(scope.bed, f"{SOON}/sign/lab"))
    scope.request("beyond", duration="48h")
    message = failure(scope, "beyond")
    assert "CAExpiresTooSoon" in message
    assert ends(scope.bed, SOON).strftime("%Y-%m-%dT%H:%M:%SZ") in message
    assert "at most 29h" in message
    assert len(signed_csrs(scope.bed, f"{SOON}/sign/lab")) == before


def test_shorten_signs_until_a_little_before_the_ca_ends_under_strict_too(scope: Scope) -> None:
    applied(scope, SOON, STRICT_SHORTEN)
    found = scope.issue("beyond", duration="48h", usages=EXACT)
    leaf = certificates_of(found)[0]
    left = ends(scope.bed, SOON) - leaf.not_valid_after_utc
    assert timedelta() < left < timedelta(minutes=10)
    assert "expires with its CA" in ready(found)["message"]
    assert events(scope.bed, scope.namespace, "beyond", "CertificateDiffers")


def test_a_shortened_certificate_is_renewed_at_two_thirds_of_what_it_got(cluster: Scope) -> None:
    applied(cluster, SOON, {"caExpiry": "Shorten"})
    wanted = certificate("web", cluster.namespace, cluster.name, [f"web.{DOMAIN}"], duration="2160h")
    cluster.bed.kube.apply(wanted)
    found = cluster.bed.kube.wait(CERT_MANAGER, "Certificate", "web", cluster.namespace)
    assert parse_rfc3339(found["status"]["renewalTime"]) > datetime.now(UTC) + 15 * HOUR
    Delivered.from_secret(cluster.bed.kube.get("v1", "Secret", "web-tls", cluster.namespace))
    assert len(requests_of(cluster)) == 1


@pytest.mark.parametrize("mode", ["Refuse", "Shorten"])
def test_what_would_be_renewed_again_and_again_is_refused_once(cluster: Scope, mode: str) -> None:
    applied(cluster, NOW_OR_NEVER, {"caExpiry": mode})
    wanted = certificate("web", cluster.namespace, cluster.name, [f"web.{DOMAIN}"])
    cluster.bed.kube.apply(wanted)
    cluster.bed.kube.wait(
        CERT_MANAGER,
        "Certificate",
        "web",
        cluster.namespace,
        until=lambda found: "lastFailureTime" in (found.get("status") or {}),
    )
    # cert-manager asks again after its backoff, a second here: the same request made anew, never one more.
    assert [one["metadata"]["name"] for one in requests_of(cluster)] in ([], ["web-1"])
    assert "again and again: rotate the CA" in failure(cluster, "web-1")


@pytest.mark.parametrize("scope", BY_CLUSTER_ISSUER, indirect=True)
def test_vaults_own_truncation_is_held_to_the_same_rule(scope: Scope) -> None:
    """The mount's CA lives long; the role's does not, and Vault cuts the life off without a word."""
    applied(scope, PINNED)
    before = revocations(scope.bed, PINNED)
    scope.request("refused", duration="48h")
    assert "expires with its CA" in failure(scope, "refused")
    assert revocations(scope.bed, PINNED) == before + 1
    applied(scope, PINNED, STRICT_SHORTEN)
    leaf = certificates_of(scope.issue("cut", duration="48h", usages=EXACT))[0]
    assert leaf.not_valid_after_utc < datetime.now(UTC) + 31 * HOUR


@pytest.mark.parametrize("scope", BY_CLUSTER_ISSUER, indirect=True)
def test_the_end_of_a_ca_that_the_role_names_is_known(scope: Scope) -> None:
    """From Vault's refusal, and from then on by the certificates that come back from it."""
    applied(scope, NAMED)
    scope.request("beyond", duration="48h")
    pem = scope.bed.vault.read(f"{NAMED}/issuer/ends-in-30")["certificate"]
    named = x509.load_pem_x509_certificate(pem.encode())
    end = named.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ")
    message = failure(scope, "beyond")
    assert "CAExpiresTooSoon" in message
    assert end in message
    applied(scope, NAMED, STRICT_SHORTEN)
    path = f"{NAMED}/sign/lab"
    for name in ("first", "next"):
        calls = len(scope.bed.vault.audited(path))
        leaf, above = certificates_of(scope.issue(name, duration="48h"))
        assert above == named
        left = above.not_valid_after_utc - leaf.not_valid_after_utc
        assert timedelta() < left < timedelta(minutes=10)
        if name == "next":
            new = scope.bed.vault.audited(path)[calls:]
            refused = [one for one in new if one.get("error") and "TTL" in str(one["error"])]
            assert refused == [], "it was asked for what fits at once"
    scope.issue("fits", duration="26h")  # lives beyond the CA's own don't count for the warning
    scope.bed.kube.wait(
        API_VERSION,
        scope.kind,
        scope.name,
        None if scope.cluster else scope.namespace,
        until=lambda one: any(end in text for text in one["status"].get("warnings") or ()),
    )


def warned(scope: Scope, of: str) -> Any:
    """The issuer, once its status warns of certificates of that life."""
    return scope.bed.kube.wait(
        API_VERSION,
        scope.kind,
        scope.name,
        None if scope.cluster else scope.namespace,
        until=lambda found: of in str(found["status"].get("warnings")),
    )


@pytest.mark.parametrize("scope", BY_CLUSTER_ISSUER, indirect=True)
def test_a_ca_that_ends_soon_is_warned_of_and_told_by_one_event(scope: Scope) -> None:
    """It is too short for the longest life that was issued lately; what was refused doesn't count."""
    applied(scope, SOON)
    scope.request("beyond", duration="876000h")
    assert "CAExpiresTooSoon" in failure(scope, "beyond")
    scope.issue("fits", duration="26h")
    issuer = warned(scope, "26h0m0s are refused")
    (warning,) = issuer["status"]["warnings"]
    assert warning.startswith(f"the CA behind {SOON}/sign/lab expires at {issuer['status']['caNotAfter']}")
    where = "default" if scope.cluster else scope.namespace
    (event,) = events(scope.bed, where, scope.name, "CAExpiresSoon")
    assert event["note"] == warning
    # A longer life that is issued is told in the same place, and is no second event.
    scope.issue("longer", duration="28h")
    warned(scope, "28h0m0s are refused")
    assert len(events(scope.bed, where, scope.name, "CAExpiresSoon")) == 1


def test_a_ca_that_lives_long_is_not_warned_of(cluster: Scope) -> None:
    applied(cluster, "pki_int")
    assert "warnings" not in cluster.bed.kube.get(API_VERSION, cluster.kind, cluster.name)["status"]
