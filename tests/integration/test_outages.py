"""An outage never fails a request: sealed, down or slow, the CA comes back and every request is issued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout, setup_approle
from tests.integration.support.bad_gateway import BadGateway, outlast
from tests.integration.support.cas_under_test import BY_OPENBAO, CAUnderTest
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    delete_issuer,
    ready,
    request,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.sizes import sampled

COUNT = 20
UNREACHABLE = {"VaultClusterIssuer": "VaultUnreachable", "StepClusterIssuer": "StepCAUnreachable"}
REASONS = {"sealed": {"VaultClusterIssuer": "VaultSealed"}, "down": UNREACHABLE, "frozen": UNREACHABLE}
"""What issuers of each kind say while their CA is so."""


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module, which does not wait long for Vault."""
    with ControllerProcess(bed, ["--issuer-check-period=2", "--vault-timeout=2"]) as one:
        yield one


@pytest.fixture
def issuer(ca: CAUnderTest, namespace: str) -> Iterator[str]:
    """A Ready cluster issuer of this test."""
    ca.issuer(namespace)
    ca.wait(namespace)
    yield namespace
    ca.delete(namespace)


@pytest.mark.parametrize("name", sampled(REASONS, "sealed", "frozen"))
def test_requests_wait_out_a_ca_that_is(ca: CAUnderTest, issuer: str, namespace: str, name: str) -> None:
    if ca.kind not in REASONS[name]:
        pytest.skip(f"the CA of a {ca.kind} can't be {name}")
    outage, reason = ca.outages[name], REASONS[name][ca.kind]
    outage.begin()
    try:
        for number in range(ca.sized(COUNT)):
            ca.request(f"r{number}", namespace, issuer)
        # A call that a frozen CA took may have been signed: that is what is said first.
        ca.wait_reason(issuer, reason)
        # What waits is told of the issuer's newest reason, unless its own lost answer came after that.
        told = {reason, "BadAnswer"} if name == "frozen" else {reason}
        ca.bed.kube.wait(
            CERT_MANAGER,
            REQUEST,
            "r0",
            namespace,
            until=lambda one: any(reason in str(ready(one)) for reason in told),
        )
    finally:
        outage.end()
    for number in range(ca.sized(COUNT)):
        wait_issued(ca.bed, f"r{number}", namespace)


@pytest.mark.parametrize("ca", BY_OPENBAO, indirect=True)
def test_waiting_requests_are_written_to_only_when_their_message_changes(
    ca: CAUnderTest, issuer: str, namespace: str
) -> None:
    outage = ca.outages["down"]
    outage.begin()
    try:
        ca.wait_reason(issuer, UNREACHABLE[ca.kind])
        ca.request("quiet", namespace, issuer)
        first = wait_answer(ca.bed, "quiet", namespace, "Pending")
        for limit in (7, 8, 9):
            _check_anew(ca, issuer, limit)  # which wakes the request, and has no news for it
        ca.request("behind", namespace, issuer)
        wait_answer(ca.bed, "behind", namespace, "Pending")
        later = wait_answer(ca.bed, "quiet", namespace, "Pending")
    finally:
        outage.end()
    assert later["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    wait_issued(ca.bed, "quiet", namespace)


def _check_anew(ca: CAUnderTest, issuer: str, limit: int) -> None:
    """Change the issuer's spec, and wait until a check has answered for it."""
    change = {"spec": {"rateLimit": {"concurrent": limit}}}
    generation = ca.bed.kube.patch(API_VERSION, ca.kind, issuer, change)["metadata"]["generation"]
    ca.wait(issuer, lambda found: ready(found).get("observedGeneration") == generation)


@pytest.mark.parametrize("ca", BY_OPENBAO, indirect=True)
def test_an_outage_in_the_middle_of_a_burst_loses_nothing(
    ca: CAUnderTest, issuer: str, namespace: str
) -> None:
    before, outage = Counter(ca.signed()), ca.outages["down"]
    names = [f"burst-{number}" for number in range(ca.sized(60))]
    half = len(names) // 2
    for name in names[:half]:
        ca.request(name, namespace, issuer)
    outage.begin()
    for name in names[half:]:
        ca.request(name, namespace, issuer)
    outage.end()
    for name in names:
        wait_issued(ca.bed, name, namespace)
    signed = Counter(ca.signed()) - before
    # One in flight when Vault was killed may have been signed with its answer lost: it is signed again.
    assert len(signed) == len(names)


@pytest.mark.parametrize("ca", BY_OPENBAO, indirect=True)
def test_one_that_is_signed_after_bad_gateways_brings_the_others_with_it(
    ca: CAUnderTest, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each was refused so often that its own pause has grown to seconds; a minute: `make test-outage`."""
    with BadGateway(ca, namespace, probes=True) as gateway:

        def over() -> bool:
            return len(gateway.refused) == COUNT and min(gateway.refused.values()) >= 5

        found = outlast(ca, gateway, namespace, COUNT, over)
        with capsys.disabled():
            print(f"\n  the last of {COUNT} put off is issued {found.last:.1f} s after an outage")
        ca.delete(namespace)


def test_a_token_lost_with_vaults_restart_is_replaced_by_one_login(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    from testbed.cluster import SYSTEM_NAMESPACE
    from testbed.samples import vault_cluster_issuer
    from tests.integration.support.common import secret

    login = setup_approle(bed.vault, layout.policy, name="outage", mount="outage-approle")
    bed.kube.apply(secret("outage-secret-id", SYSTEM_NAMESPACE, secretId=login.secret_id))
    reference = {"name": "outage-secret-id", "key": "secretId"}
    auth = {"appRole": {"path": login.mount, "roleId": login.role_id, "secretRef": reference}}
    bed.kube.apply(vault_cluster_issuer(bed, namespace, auth))
    wait_ready(bed, namespace)
    path = f"auth/{login.mount}/login"
    logins = len(bed.vault.audited(path))
    # Every token of that role is revoked at once, as an operator does after an incident.
    bed.vault.call("POST", f"sys/leases/revoke-prefix/auth/{login.mount}")
    for number in range(10):
        request(bed, f"again-{number}", namespace, namespace)
    for number in range(10):
        wait_issued(bed, f"again-{number}", namespace)
    assert len(bed.vault.audited(path)) == logins + 1
    delete_issuer(bed, namespace)
