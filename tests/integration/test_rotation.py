"""A credential is taken away at Vault and replaced while requests are in flight: none fails.

AWS is a stand-in's, as ``aws.py`` says; everything else is OpenBao's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout
from tests.integration.support.aws_services import AWSStandIn
from tests.integration.support.common import CERT_MANAGER, REQUEST, ready, signed_csrs
from tests.integration.support.credential_rotations import ROTATIONS, Rotation, app_role, service_account
from tests.integration.support.scope import Scope, sweep
from tests.integration.support.waiting import wait_until
from tests.sizes import sampled, sized

pytestmark = pytest.mark.usefixtures("many_requests")
REQUESTS = sized(200, 80)
SIGNED_FIRST = sized(20, 10)


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, aws: AWSStandIn) -> Iterator[ControllerProcess]:
    """One controller, which looks at issuers often."""
    with ControllerProcess(bed, ["--issuer-check-period=2"], env=aws.env) as one:
        yield one
    sweep(bed)


@pytest.mark.slow
@pytest.mark.parametrize("make", sampled(ROTATIONS, app_role, service_account), ids=lambda one: one.__name__)
def test_a_credential_that_is_replaced_mid_burst_fails_no_request(
    bed: Testbed,
    layout: PkiLayout,
    aws: AWSStandIn,
    namespace: str,
    make: Callable[[Scope, PkiLayout, AWSStandIn], Rotation],
) -> None:
    scope = Scope(bed, namespace, namespace, cluster=False)
    scope.grant()
    rotation = make(scope, layout, aws)
    before = len(signed_csrs(bed))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(scope.request, [f"r{number}" for number in range(REQUESTS)]))
    scope.apply(rotation.auth, **rotation.vault)
    wait_until(lambda: len(signed_csrs(bed)) - before >= SIGNED_FIRST, "the burst is under way")
    rotation.destroy()
    bed.kube.wait(API_VERSION, scope.kind, scope.name, namespace, until="Ready=False")
    assert len(signed_csrs(bed)) - before < REQUESTS
    rotation.renew()
    wait_until(
        lambda: all(map(answered, bed.kube.list(CERT_MANAGER, REQUEST, namespace))), "all are answered", 180
    )
    found = bed.kube.list(CERT_MANAGER, REQUEST, namespace)
    assert [one["metadata"]["name"] for one in found if not issued(one)] == []
    assert len(found) == REQUESTS
    assert len(signed_csrs(bed)) - before == REQUESTS, "each was signed once"
    assert rotation.logins() == 2, "one with the old credential, one with the new"


def issued(request: Object) -> bool:
    """Whether it has its certificate."""
    return ready(request).get("status") == "True"


def answered(request: Object) -> bool:
    """Whether it is issued, or failed for good."""
    return issued(request) or "failureTime" in (request.get("status") or {})
