"""`explain` of an issuer: each part with its mark, tried live only where the controller has been before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from issuer.api.issuers import IssuerSpec
from issuer.api.leases import GROUP_LABEL
from issuer.inspection.objects.account import Mark, ObjectAccount
from issuer.inspection.objects.issuers import TrialOptions, issuer_account
from issuer.inspection.objects.tables import show_account
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.signing.backend import Backends, Connector, LoggedIn, PreparedSigner
from issuer.signing.outcomes import IssuerBroken, IssuerUnavailable, SigningError
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import Health
from issuer.signing.vault.backend import VaultBackend
from issuer.signing.vault.reasons import VaultIssuerReason, VaultOutage
from tests.builders import NOW, certificate_request
from tests.ca import TestCA
from tests.unit.inspection.scene import POLICIES, Scene, issuer, plain, policy, ready
from tests.unit.kube.fake_api import json, listing, refuse

KEY = IssuerKey("VaultClusterIssuer", "", "demo")
LEASES = "/apis/coordination.k8s.io/v1/leases"
REQUESTS = "/apis/cert-manager.io/v1/certificaterequests"
SIGNING_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
LIVE = TrialOptions()
LEASE = {
    "metadata": {
        "name": "vault-issuer",
        "namespace": "system",
        "labels": {GROUP_LABEL: "vault-issuer"},
    },
    "spec": {"holderIdentity": "pod", "renewTime": NOW.isoformat(), "leaseDurationSeconds": 15},
}


class TriedBackend(VaultBackend):
    """Vault's backend, whose check ends as told; `opened` are the settings that signers were opened with."""

    def __init__(self, outcome: SigningError | Health | None = None) -> None:
        self.outcome = outcome
        self.opened: list[BackendSettings] = []
        self.closed = 0

    def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
        self.opened.append(settings)
        return self

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        return PreparedSigner((), lambda: self)  # type: ignore[arg-type,return-value]

    async def check(self) -> Health:
        if isinstance(self.outcome, Health):
            return self.outcome
        assert self.outcome is not None, "it was tried, and must not be"
        raise self.outcome

    async def close(self) -> None:
        self.closed += 1


def told(scene: Scene, backend: TriedBackend, *, may_read: bool | None = True, requests: Any = ()) -> Scene:
    """A cluster with one controller, a policy, and these requests; `may_read` None for rights not asked."""
    scene.reader.backends = Backends([backend])
    scene.api.on("GET", LEASES, listing("1", LEASE))
    scene.api.on("GET", REQUESTS, listing("1", *requests))
    scene.api.on("GET", SIGNING_REQUESTS, listing("1"))
    scene.api.on("GET", POLICIES, listing("1", policy()))
    if may_read is not None:
        scene.api.on("POST", REVIEWS, json({"status": {"allowed": may_read}}, status=201))
    return scene


async def account(scene: Scene, obj: Mapping[str, Any], options: TrialOptions = LIVE) -> ObjectAccount:
    return await issuer_account(scene.reader, KEY, dict(obj), options, NOW)


def marks(found: ObjectAccount) -> dict[str, Mark]:
    return {one.name: one.mark for one in found.items}


def item(found: ObjectAccount, name: str) -> str:
    return next(one.text for one in found.items if one.name == name)


def of_generation(obj: dict[str, Any], generation: int = 1) -> dict[str, Any]:
    obj["status"]["conditions"][0]["observedGeneration"] = generation
    return obj


async def test_the_secrets_lie_where_a_controller_leads_not_where_one_was(scene: Scene) -> None:
    labels = {GROUP_LABEL: "vault-issuer"}
    gone = {"metadata": {"name": "vault-issuer", "namespace": "gone", "labels": labels}, "spec": {}}
    backend = TriedBackend(Health(""))
    scene.api.on("GET", LEASES, listing("1", LEASE, gone))
    told(scene, backend)
    await account(scene, of_generation(issuer()))
    assert backend.opened[0].cluster_resource_namespace == "system"


async def test_a_ready_issuer_is_tried_and_its_chain_shown(scene: Scene, ca: TestCA) -> None:
    backend = TriedBackend(Health(ca.ca_pems))
    found = await account(told(scene, backend), of_generation(issuer()))
    assert found.good
    assert set(marks(found).values()) == {Mark.GOOD}
    assert "tried just now with your rights" in item(found, "Live")
    assert item(found, "CA chain").startswith('"CN=Test Intermediate" < "CN=Test Root"; expires ')
    assert backend.opened[0].cluster_resource_namespace == "system"
    assert not backend.opened[0].cluster_issuer_ambient_credentials
    assert backend.opened[0].allowed_servers.names_host("vault.example.test", 8200)
    assert backend.closed == 1
    told_text = plain(lambda to: show_account(found, to))
    assert 'Capability "update" on "pki_int/sign/lab"' in told_text


@pytest.mark.parametrize(
    ("obj", "why"),
    [
        (of_generation(issuer(generation=2)), "has not checked this spec yet"),
        ({"metadata": issuer()["metadata"], "spec": issuer()["spec"]}, "has not checked this spec yet"),
        (
            of_generation(issuer("SecretNotFound", "there is none")),
            "last check sent no credentials to this server",
        ),
        (of_generation(issuer("NoPolicy", "write one")), "sent no credentials to this server"),
        (of_generation(issuer(server="http://vault.example.test:8200")), "unencrypted"),
    ],
)
async def test_nothing_is_sent_where_the_controller_sent_nothing(
    scene: Scene, obj: dict[str, Any], why: str
) -> None:
    backend = TriedBackend()
    found = await account(told(scene, backend, may_read=None), obj)
    assert why in item(found, "Live")
    assert marks(found)["Live"] is Mark.NOT_TRIED
    assert backend.opened == []


async def test_without_the_right_to_its_secret_the_status_speaks(scene: Scene) -> None:
    backend = TriedBackend()
    obj = of_generation(issuer())
    obj["status"] |= {"caSubject": "CN=Lab", "caNotAfter": "2031-11-24T00:00:00Z"}
    found = await account(told(scene, backend, may_read=False), obj)
    assert item(found, "Live") == 'you may not read Secret "vault-token" in namespace "system"'
    assert "the controller's last check" in item(found, "Login")
    assert item(found, "CA chain").startswith("CN=Lab, as last seen; expires 2031-11-24T00:00:00Z")
    assert found.good
    assert backend.opened == []


async def test_the_part_that_fails_has_its_reason_and_cure(scene: Scene) -> None:
    error = IssuerBroken(VaultIssuerReason.ROLE_NOT_FOUND, "There is no role.")
    found = await account(told(scene, TriedBackend(error)), of_generation(issuer()))
    found_marks = marks(found)
    assert (found_marks["Login"], found_marks["Role"]) == (Mark.GOOD, Mark.BAD)
    assert found_marks["Capability"] is Mark.NOT_KNOWN
    assert "RoleNotFound: There is no role." in item(found, "Role")
    assert [one.command for one in found.cures] == [
        "vault write pki_int/roles/lab allowed_domains=example.com allow_subdomains=true max_ttl=2160h"
    ]
    assert not found.good


async def test_a_broken_issuer_is_tried_where_its_login_was_refused(scene: Scene, ca: TestCA) -> None:
    obj = of_generation(issuer("LoginFailed", "no"))
    found = await account(told(scene, TriedBackend(Health(ca.ca_pems))), obj)
    assert marks(found)["Controller"] is Mark.BAD
    assert marks(found)["Login"] is Mark.GOOD
    assert not found.good


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (
            IssuerUnavailable(VaultOutage.VAULT_UNREACHABLE, "no answer"),
            "can't be reached from here: no answer",
        ),
        (IssuerBroken(SigningIssuerReason.SECRET_FORBIDDEN, "x"), "you may not read a Secret"),
        (IssuerBroken(SigningIssuerReason.SERVER_NOT_ALLOWED, "x"), "leads from here to an address"),
        (IssuerBroken(SigningIssuerReason.TOKEN_REQUEST_FORBIDDEN, "x"), "you may not create tokens"),
        (IssuerBroken(SigningIssuerReason.AMBIENT_CREDENTIALS_NOT_ALLOWED, "x"), "own identity"),
    ],
)
async def test_what_only_the_caller_lacks_is_no_fault_of_the_issuer(
    scene: Scene, error: SigningError, why: str
) -> None:
    found = await account(told(scene, TriedBackend(error)), of_generation(issuer()))
    assert why in item(found, "Live")
    assert marks(found)["Live"] is Mark.NOT_TRIED
    assert found.good


async def test_offline_nothing_is_read_or_sent_and_who_waits_is_counted(scene: Scene) -> None:
    waits = [ready("False", "Pending", "VaultSealed: unseal it")]
    requests = [certificate_request(name, conditions=waits, username="jane") for name in ("one", "two")]
    requests.append(certificate_request("other", issuer="another", conditions=waits))
    scene = told(scene, TriedBackend(), may_read=None, requests=requests)
    obj = of_generation(issuer("VaultSealed", "unseal it"))
    found = await account(scene, obj, TrialOptions(off="switched off by --no-live"))
    assert item(found, "Live") == "switched off by --no-live"
    assert marks(found)["Server"] is Mark.BAD
    assert item(found, "Waiting").startswith("2 requests wait: 2 for ")
    assert [row[0] for row in found.lists[0].rows] == ["team-a/one", "team-a/two"]
    assert any("vault operator unseal" in one.command for one in found.cures)


async def test_what_may_not_be_read_is_not_known(scene: Scene) -> None:
    scene.reader.backends = Backends([TriedBackend()])
    for path in (LEASES, REQUESTS, POLICIES):
        scene.api.on("GET", path, refuse(403, "Forbidden"))
    found = await account(scene, of_generation(issuer()))
    assert "--cluster-resource-namespace" in item(found, "Live")
    assert marks(found)["Policies"] is marks(found)["Waiting"] is Mark.NOT_KNOWN
    assert len(found.gaps) == 3


async def test_a_missing_controller_and_missing_policies_are_said(scene: Scene) -> None:
    scene.reader.backends = Backends([TriedBackend()])
    scene.api.on("GET", LEASES, listing("1"))
    for path in (REQUESTS, SIGNING_REQUESTS, POLICIES):
        scene.api.on("GET", path, listing("1"))
    found = await account(scene, of_generation(issuer()))
    assert marks(found)["Controller"] is marks(found)["Policies"] is Mark.BAD
    assert any("app.kubernetes.io/name=vault-issuer" in one.command for one in found.cures)


class ElsewhereBackend(TriedBackend):
    """A backend whose specs name the namespace of their Secrets, and something of the controller's own."""

    named, needed = "", ""

    def home(self, spec: IssuerSpec) -> str:
        return self.named

    def only_in_process(self, spec: IssuerSpec) -> str:
        return self.needed


async def test_the_namespace_that_a_spec_names_is_where_its_secrets_are(scene: Scene, ca: TestCA) -> None:
    """Not that of the Lease: a controller may read them elsewhere."""
    backend = ElsewhereBackend(Health(ca.ca_pems))
    backend.named = "step-ca"
    found = await account(told(scene, backend), of_generation(issuer()))
    assert found.good
    assert backend.opened[0].cluster_resource_namespace == "step-ca"


async def test_what_only_the_controller_has_is_not_tried_from_here(scene: Scene) -> None:
    backend = ElsewhereBackend()
    backend.needed = "the variable STEP_PASSWORD"
    found = await account(told(scene, backend, may_read=None), of_generation(issuer()))
    assert found.good
    assert (
        item(found, "Live")
        == "it needs the variable STEP_PASSWORD of the controller, which you don't have here"
    )
    assert backend.opened == []


@pytest.mark.parametrize(
    ("status", "mark", "words"),
    [
        ("True", Mark.GOOD, "2 roots are"),
        ("False", Mark.LOOK, "NamespacesLeftOut: 2 roots are"),
        (None, Mark.NOT_KNOWN, "nothing of its roots"),
    ],
)
async def test_whether_its_roots_are_distributed_is_told(
    scene: Scene, status: str | None, mark: Mark, words: str
) -> None:
    told(scene, TriedBackend())
    obj = of_generation(issuer())
    obj["spec"]["trust"] = {"configMap": {"name": "roots", "namespaceSelector": {}}}
    said = {
        "type": "TrustDistributed",
        "status": status,
        "reason": "NamespacesLeftOut",
        "message": "2 roots are",
    }
    obj["status"]["conditions"] += [said] if status else []
    found = await account(scene, obj, TrialOptions(off="not asked for"))
    assert (marks(found)["Trust"], found.good) == (mark, True)
    assert words in item(found, "Trust")
