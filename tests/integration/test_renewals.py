"""Certificates that cert-manager would renew without end: failed where that is seen, else slowed down."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import certificate
from testbed.vaultpki import DOMAIN, PkiLayout, setup_policy, setup_role, setup_token
from tests.integration.support.common import CERT_MANAGER, REQUEST, events, ready, revocations, signed_csrs
from tests.integration.support.scope import Scope, sweep

MONTH = "pki_int/sign/month"
HELD = "vault_issuer_renewal_loops 1.0\n"
NONE_HELD = "vault_issuer_renewal_loops 0.0\n"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """A controller, and a role that caps lives at 720 hours."""
    setup_role(bed.vault, layout.mount, "month", max_ttl="720h")
    setup_policy(bed.vault, layout.mount, "month")
    with ControllerProcess(bed) as one:
        yield one
        sweep(bed)


@pytest.fixture
def scope(bed: Testbed, namespace: str) -> Scope:
    """A Ready issuer of that role."""
    made = Scope(bed, namespace, namespace)
    made.apply_with_token(setup_token(bed.vault, "pki_int-month"), path=MONTH)
    made.wait_checked()
    return made


def apply(scope: Scope, **spec: Any) -> None:
    """The Certificate web, whose requests are kept so that they can be counted."""
    wanted = certificate(
        "web", scope.namespace, scope.name, [f"web.{DOMAIN}"], revisionHistoryLimit=20, **spec
    )
    scope.bed.kube.apply(wanted)


def requests_of(scope: Scope) -> list[Object]:
    """The requests of the test, by age."""
    found = scope.bed.kube.list(CERT_MANAGER, REQUEST, scope.namespace)
    return sorted(found, key=lambda one: int(one["metadata"]["name"].rpartition("-")[2]))


def issued(scope: Scope) -> int:
    """How many of them have a certificate."""
    return len([one for one in requests_of(scope) if ready(one).get("status") == "True"])


def wait_held(scope: Scope) -> str:
    """Wait until a request is held back; its message."""

    def held(obj: Object) -> bool:
        return str(ready(obj).get("message", "")).startswith("RenewalLoop: ")

    return str(
        ready(scope.bed.kube.wait(CERT_MANAGER, REQUEST, "web-6", scope.namespace, until=held))["message"]
    )


def test_a_certificate_that_is_renewed_without_end_waits_until_its_spec_changes(
    scope: Scope, controller: ControllerProcess
) -> None:
    revoked = revocations(scope.bed)
    # Due two seconds after it was issued, and that is what it asks for: no certificate is other than asked.
    apply(scope, duration="1h", renewBefore="3598s")
    assert "Certificate web got 5 certificates within 10m0s" in wait_held(scope)
    assert issued(scope) == 5
    # cert-manager may delete a request that it made of an older key, in the middle of its signing.
    signed = signed_csrs(scope.bed, MONTH)
    assert len(set(signed)) == len(signed)
    assert len(signed) - (revocations(scope.bed) - revoked) == 5
    assert HELD in controller.metrics()
    assert events(scope.bed, scope.namespace, "web", "Pending")
    # The API server has all of them still: a controller that starts goes on waiting.
    controller.stop()
    controller.start()
    scope.bed.kube.wait(
        CERT_MANAGER, REQUEST, "web-6", scope.namespace, until=lambda _: HELD in controller.metrics()
    )
    assert issued(scope) == 5
    apply(scope, duration="1h", renewBefore="20m")
    scope.bed.kube.wait(
        CERT_MANAGER, REQUEST, "web-6", scope.namespace, until=lambda one: ready(one).get("status") == "True"
    )
    assert NONE_HELD in controller.metrics()


def test_a_life_as_short_as_renew_before_fails_once_and_says_both_ways_out(scope: Scope) -> None:
    signed, revoked = len(signed_csrs(scope.bed, MONTH)), revocations(scope.bed)
    apply(scope, duration="1440h", renewBefore="720h")
    found = scope.bed.kube.wait(
        CERT_MANAGER,
        REQUEST,
        "web-1",
        scope.namespace,
        until=lambda one: ready(one).get("reason") == "Failed",
    )
    message = ready(found)["message"]
    assert message.startswith("TooShortToRenew: ")
    assert "Set spec.renewBefore to 240h0m0s or less, or have the CA give the 1440h0m0s" in message
    assert "max_ttl" in message
    assert issued(scope) == 0
    assert revocations(scope.bed) - revoked == len(signed_csrs(scope.bed, MONTH)) - signed
    apply(scope, duration="1440h", renewBefore="240h")
    scope.bed.kube.wait(CERT_MANAGER, "Certificate", "web", scope.namespace)
    assert issued(scope) == 1
