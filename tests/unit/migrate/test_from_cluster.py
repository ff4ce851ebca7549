"""A plan from a cluster: what it takes, what it says of what has moved, and what its steps are called."""

from __future__ import annotations

import pytest

from issuer.kube.client import KubeClient
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.migrate.options import Options
from issuer.migrate.plan import Note, Plan, todo
from issuer.migrate.read.cluster import READS, read_cluster
from issuer.migrate.steps.assemble import plan_of
from tests.unit.kube.fake_api import FakeApi, listing, refuse
from tests.unit.migrate.conftest import Object, certificate, issuer

OURS: Object = {**issuer(), "apiVersion": "vault-issuer.io/v1alpha1", "kind": "VaultIssuer"}
NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}


def plan(*objects: Object, namespace: str | None = None, more: tuple[Note, ...] = ()) -> Plan:
    options = Options(from_cluster=True, namespace=namespace)
    return plan_of([Document("the cluster", one) for one in objects], options, more)


def told(one: Plan) -> str:
    return "\n".join(note.text for note in one.all_notes())


def test_an_issuer_that_nothing_names_any_more_may_be_deleted() -> None:
    moved = certificate({"group": "vault-issuer.io", "kind": "VaultIssuer", "name": "vault"})
    text = told(plan(issuer(), OURS, moved))
    assert 'nothing here names Issuer "team-a/vault" any more; once all works, delete it' in text
    assert "issuerRef must change" not in text


@pytest.mark.parametrize(
    "objects",
    [
        [issuer(), OURS, certificate({"name": "vault"})],
        [issuer(), OURS, certificate({"name": "vault"}, isCA=True)],
        [issuer()],
    ],
    ids=["a Certificate that moves", "a Certificate that stays", "no issuer of ours yet"],
)
def test_one_that_is_still_needed_is_not_called_done(objects: list[Object]) -> None:
    assert "any more" not in told(plan(*objects))


def test_what_could_not_be_read_may_still_name_it() -> None:
    assert "any more" not in told(plan(issuer(), OURS, more=(todo("certificates can't be listed"),)))


def test_a_cluster_issuer_is_not_done_with_by_a_look_at_one_namespace() -> None:
    ours = {**issuer(namespace=""), "apiVersion": "vault-issuer.io/v1alpha1", "kind": "VaultClusterIssuer"}
    limited = told(plan(issuer(namespace=""), ours, issuer(), OURS, namespace="team-a"))
    assert 'nothing here names Issuer "team-a/vault" any more' in limited
    assert 'names ClusterIssuer "vault" any more; run this without --namespace before' in limited
    assert "without --namespace" not in told(plan(issuer(namespace=""), ours))


def test_a_namespace_that_is_not_there_or_holds_nothing_is_named() -> None:
    with pytest.raises(BadInput, match='there is no namespace "team-b"'):
        plan(NAMESPACE, issuer(), namespace="team-b")
    with pytest.raises(BadInput, match="found in namespace team-a"):
        plan(NAMESPACE, namespace="team-a")
    with pytest.raises(BadInput, match="found in the cluster"):
        plan(NAMESPACE)


def test_steps_are_named_by_what_is_made_or_becomes_of_it() -> None:
    one = plan(issuer(), certificate({"name": "vault"}))
    made = [step.result for step in one.created]
    assert "VaultIssuer team-a/vault" in made
    assert "Role team-a/vault-issuer-access-vault" in made
    assert not any("may get" in name or name.startswith("Issuer") for name in made)
    (changed,) = one.changed
    assert changed.result == "Certificate team-a/web -> VaultIssuer team-a/vault"


@pytest.mark.parametrize("missing", ["issuers", "vaultissuers"])
async def test_a_refusal_names_every_right_that_a_plan_takes(
    api: FakeApi, client: KubeClient, missing: str
) -> None:
    for resource in READS:
        ours = resource.plural == missing
        api.on("GET", resource.path(), refuse(403, "Forbidden") if ours else listing("1"))
    with pytest.raises(BadInput) as refused:
        await read_cluster(client, Options(from_cluster=True))
    for resource in READS:
        assert f"{resource.plural}.{resource.group}".rstrip(".") in str(refused.value)
    assert "/migrate.html#rights" in str(refused.value)
