"""Kinds of another controller: known to the commands where this product's controller serves them."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.inspection.opening import LookedAt, add_adopted
from issuer.inspection.overview.summary import overview
from issuer.inspection.target import names
from issuer.manifests.backends import kinds_in_reach
from issuer.requests.issuers import IssuerKey
from issuer.signing.backends import built_in
from tests.builders import NOW
from tests.unit.inspection.scene import Scene
from tests.unit.inspection.test_overview import ALL, told
from tests.unit.inspection.test_target import KINDS
from tests.unit.kube.fake_api import json, listing, refuse

API = "/apis/certmanager.step.sm/v1beta1"
CLUSTER, OWN = "StepClusterIssuer.certmanager.step.sm", "StepIssuer.certmanager.step.sm"


def issuer_of(manager: str) -> dict[str, Any]:
    """An issuer of step-issuer's kind whose status that client wrote last."""
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "it signs"}
    return {
        "metadata": {"name": "ca", "managedFields": [{"manager": manager, "subresource": "status"}]},
        "spec": {"url": "https://ca.example.test"},
        "status": {"conditions": [condition]},
    }


def there(scene: Scene, *issuers: dict[str, Any]) -> None:
    """Say that the cluster has their CRDs, and these cluster issuers."""
    scene.api.on("GET", API, json({}))
    scene.api.on("GET", API, json({}))
    scene.api.on("GET", f"{API}/stepissuers", listing("1"))
    scene.api.on("GET", f"{API}/stepclusterissuers", listing("1", *issuers))


def known(scene: Scene) -> set[str]:
    """The kinds of issuers that the reader knows, but for the built-in ones."""
    return {one.kind for one in scene.reader.backends.kinds} - {one.kind for one in built_in().kinds}


async def test_issuers_whose_status_our_controller_wrote_are_shown(scene: Scene) -> None:
    there(scene, issuer_of("vault-issuer"))
    await add_adopted(scene.reader, LookedAt())
    assert known(scene) == {CLUSTER, OWN}
    scene.api.on("GET", f"{API}/stepissuers", listing("1"))
    scene.api.on("GET", f"{API}/stepclusterissuers", listing("1", issuer_of("vault-issuer")))
    told(scene).api.on("GET", ALL["requests"], listing("1"))
    shown = await overview(scene.reader, None, None, NOW)
    (found,) = [one for one in shown["issuers"] if one["kind"] == CLUSTER]
    assert (found["name"], found["ready"], found["server"]) == ("ca", True, "https://ca.example.test")


async def test_issuers_that_step_issuer_serves_are_not_taken_for_ours(scene: Scene) -> None:
    there(scene, issuer_of("step-issuer"))
    await add_adopted(scene.reader, LookedAt())
    assert known(scene) == set()
    assert scene.reader.gaps == []


async def test_a_cluster_without_them_is_asked_for_no_list(scene: Scene) -> None:
    scene.api.always("GET", API, refuse(404, "NotFound"))
    await add_adopted(scene.reader, LookedAt())
    assert known(scene) == set()


async def test_who_may_not_list_them_is_told_what_it_takes(scene: Scene) -> None:
    scene.api.always("GET", API, json({}))
    scene.api.on("GET", f"{API}/namespaces/team-a/stepissuers", listing("1"))
    scene.api.on("GET", f"{API}/stepclusterissuers", refuse(403, "Forbidden"))
    await add_adopted(scene.reader, LookedAt(namespace="team-a"))
    (gap,) = scene.reader.gaps
    assert "list of stepclusterissuers.certmanager.step.sm" in gap


async def test_one_that_is_named_is_looked_at_whoever_serves_it(scene: Scene) -> None:
    await add_adopted(scene.reader, LookedAt(CLUSTER))
    assert known(scene) == {CLUSTER, OWN}


async def test_they_are_completed_by_who_writes_their_group(scene: Scene) -> None:
    scene.api.on("GET", f"{API}/stepclusterissuers", listing("1", issuer_of("vault-issuer")))
    asked = "stepclusterissuer.certmanager.step.sm/"
    assert await names(scene.reader.client, asked, "team-a", 9, KINDS) == [f"{asked}ca"]


@pytest.mark.parametrize(
    ("kind", "typed"),
    [
        ("VaultClusterIssuer", "vaultclusterissuer"),
        ("StepClusterIssuer", "stepclusterissuer.vault-issuer.io"),
        (CLUSTER, "stepclusterissuer.certmanager.step.sm"),
    ],
)
def test_commands_name_the_group_where_two_products_have_a_kind_of_that_name(kind: str, typed: str) -> None:
    assert kind in kinds_in_reach(built_in())
    assert IssuerKey(kind, "", "ca").typed_kind == typed
