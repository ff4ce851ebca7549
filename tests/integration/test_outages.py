"""An outage never fails a request: sealed, down or slow, Vault comes back and every request is issued."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout, setup_approle, setup_token
from tests.integration.support.bad_gateway import BadGateway, outlast
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    delete_issuer,
    ready,
    request,
    signed_csrs,
    wait_answer,
    wait_issued,
    wait_ready,
    wait_reason,
)

COUNT = 20


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module, which does not wait long for Vault."""
    with ControllerProcess(bed, ["--issuer-check-period=2", "--vault-timeout=2"]) as one:
        yield one


@pytest.fixture
def issuer(bed: Testbed, layout: PkiLayout, namespace: str) -> Iterator[str]:
    """A Ready cluster issuer of this test."""
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy))
    wait_ready(bed, namespace)
    yield namespace
    delete_issuer(bed, namespace)


OUTAGES: dict[str, tuple[Callable[[Testbed], None], Callable[[Testbed], None], str]] = {
    "sealed": (lambda bed: bed.vault.seal(), lambda bed: bed.vault.unseal(), "VaultSealed"),
    "down": (lambda bed: bed.vault.stop(), lambda bed: bed.vault.start(), "VaultUnreachable"),
    "frozen": (lambda bed: bed.vault.pause(), lambda bed: bed.vault.resume(), "VaultUnreachable"),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_requests_wait_out_a_vault_that_is(bed: Testbed, issuer: str, namespace: str, outage: str) -> None:
    begin, end, reason = OUTAGES[outage]
    begin(bed)
    try:
        for number in range(COUNT):
            request(bed, f"r{number}", namespace, issuer)
        # A call that a frozen Vault took may have been signed: that is what is said first.
        wait_reason(bed, issuer, reason)
        bed.kube.wait(CERT_MANAGER, REQUEST, "r0", namespace, until=lambda one: reason in str(ready(one)))
    finally:
        end(bed)
    for number in range(COUNT):
        wait_issued(bed, f"r{number}", namespace)


def test_waiting_requests_are_written_to_only_when_their_message_changes(
    bed: Testbed, issuer: str, namespace: str
) -> None:
    bed.vault.seal()
    try:
        request(bed, "quiet", namespace, issuer)
        first = wait_answer(bed, "quiet", namespace, "Pending")
        wait_reason(bed, issuer, "VaultSealed")
        for limit in (7, 8, 9):
            _check_anew(bed, issuer, limit)  # which wakes the request, and has no news for it
        request(bed, "behind", namespace, issuer)
        wait_answer(bed, "behind", namespace, "Pending")
        later = wait_answer(bed, "quiet", namespace, "Pending")
    finally:
        bed.vault.unseal()
    assert later["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    wait_issued(bed, "quiet", namespace)


def _check_anew(bed: Testbed, issuer: str, limit: int) -> None:
    """Change the issuer's spec, and wait until a check has answered for it."""
    change = {"spec": {"rateLimit": {"concurrent": limit}}}
    generation = bed.kube.patch(API_VERSION, "VaultClusterIssuer", issuer, change)["metadata"]["generation"]
    bed.kube.wait(
        API_VERSION,
        "VaultClusterIssuer",
        issuer,
        until=lambda found: ready(found).get("observedGeneration") == generation,
    )


def test_an_outage_in_the_middle_of_a_burst_loses_nothing(bed: Testbed, issuer: str, namespace: str) -> None:
    before = Counter(signed_csrs(bed))
    names = [f"burst-{number}" for number in range(60)]
    for name in names[:30]:
        request(bed, name, namespace, issuer)
    bed.vault.stop()
    for name in names[30:]:
        request(bed, name, namespace, issuer)
    bed.vault.start()
    for name in names:
        wait_issued(bed, name, namespace)
    signed = Counter(signed_csrs(bed)) - before
    # One in flight when Vault was killed may have been signed with its answer lost: it is signed again.
    assert len(signed) == len(names)


def test_one_that_is_signed_after_bad_gateways_brings_the_others_with_it(
    bed: Testbed, layout: PkiLayout, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each was refused so often that its own pause has grown to seconds; a minute: `make test-outage`."""
    with BadGateway(bed, "bad-gateway", probes=True) as gateway:

        def over() -> bool:
            return len(gateway.refused) == COUNT and min(gateway.refused.values()) >= 5

        found = outlast(bed, layout, gateway, namespace, COUNT, over)
        with capsys.disabled():
            print(f"\n  the last of {COUNT} put off is issued {found.last:.1f} s after an outage")
        delete_issuer(bed, namespace)


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
