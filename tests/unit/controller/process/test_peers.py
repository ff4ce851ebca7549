"""No start beside a controller whose kinds are adopted."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.controller.process.options import ControllerOptions, OptionsError
from issuer.controller.process.peers import refuse_peers, require_kinds, runs
from issuer.kube.client import KubeClient
from issuer.signing.backends import load_backends
from tests.unit.kube.fake_api import FakeApi, listing, refuse

PATH = "/apis/apps/v1/deployments"
PEERS = frozenset({"step-issuer"})


def deployment(image: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "manager", "namespace": "pki", "labels": labels or {}},
        "spec": {"template": {"spec": {"containers": [{"image": image}]}}, **spec},
        "status": {},
    }


@pytest.mark.parametrize(
    ("one", "found"),
    [
        (deployment("cr.example.com:5000/smallstep/step-issuer:1.9.0"), True),
        (deployment("step-issuer@sha256:1234"), True),
        (deployment("mirror/issuer:1", {"app.kubernetes.io/name": "step-issuer"}), True),
        (deployment("smallstep/step-issuer", replicas=0), False),
        ({**deployment("smallstep/step-issuer", replicas=0), "status": {"replicas": 1}}, True),
        (deployment("smallstep/step-issuer-dashboard:1"), False),
        (deployment("smallstep/step-ca:0.30"), False),
    ],
)
def test_a_deployment_that_has_or_wants_pods_is_known_by_image_or_label(
    one: dict[str, Any], found: bool
) -> None:
    assert runs(one, PEERS) is found


async def test_the_command_that_stops_it_is_told(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", PATH, listing("1", deployment("step-issuer")))
    with pytest.raises(OptionsError, match=r"^pki/manager runs step-issuer.* -n pki deployment/manager"):
        await refuse_peers(client, PEERS)


async def test_what_can_not_be_seen_is_no_start_either(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", PATH, refuse(403, "Forbidden"))
    with pytest.raises(OptionsError, match=r"--adopt-anyway"):
        await refuse_peers(client, PEERS)


async def test_without_adopted_kinds_nobody_is_asked(client: KubeClient) -> None:
    await refuse_peers(client, frozenset())


@pytest.mark.parametrize(
    ("adopts", "anyway", "refused"),
    [
        (False, False, frozenset()),
        (True, False, PEERS),
        (True, True, frozenset()),
        (False, True, frozenset()),
    ],
)
def test_who_adopts_anyway_starts_beside_them(adopts: bool, anyway: bool, refused: frozenset[str]) -> None:
    backends = load_backends((), adopt_step_issuer=adopts)
    assert ControllerOptions(backends=backends, adopt_anyway=anyway).refused_peers == refused


ADOPTED = ControllerOptions(backends=load_backends((), adopt_step_issuer=True)).adopted_kinds
STEP_ISSUERS = "/apis/certmanager.step.sm/v1beta1/stepissuers"
STEP_CLUSTER_ISSUERS = "/apis/certmanager.step.sm/v1beta1/stepclusterissuers"


async def test_kinds_without_their_crds_are_not_waited_for(api: FakeApi, client: KubeClient) -> None:
    """No issuer of any kind would be served meanwhile."""
    api.on("GET", STEP_ISSUERS, listing("1"))
    api.on("GET", STEP_CLUSTER_ISSUERS, refuse(404, "NotFound"))
    with pytest.raises(OptionsError, match=r"stepclusterissuers\.certmanager\.step\.sm.*install the CRDs"):
        await require_kinds(client, ADOPTED)


async def test_kinds_that_may_not_be_listed_yet_are_waited_for(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", STEP_ISSUERS, refuse(403, "Forbidden"))
    await require_kinds(client, ADOPTED)
    assert ControllerOptions().adopted_kinds == ()
