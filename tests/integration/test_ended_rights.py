"""A right that ends while the signing call waits for its login is not used: Vault sees no call."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from issuer.api.group import GROUP, POLICY_KIND, POLICY_PLURAL
from issuer.controller.process.wiring import Components
from issuer.kube.identity import User
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.requests.request import RequestKey
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.errors import HTTPError
from testbed.kube import Kube, Object
from testbed.samples import API_VERSION, EVERYBODY, policy, use_binding, vault_cluster_issuer
from testbed.vaultpki import PkiLayout, setup_approle
from tests.integration.support.authorized import REVIEW
from tests.integration.support.common import (
    CERT_MANAGER,
    LAB,
    REQUEST,
    only_policies,
    request_object,
    secret,
    set_condition,
    signed_csrs,
)
from tests.integration.support.forwarding_vault import Answer, ForwardingVault
from tests.integration.support.inprocess import in_process, until

ISSUER = "ended"
POLICY = "ending"
MOUNT = "ended-approle"
RBAC = "rbac.authorization.k8s.io"
LABEL = "ends.example.test/tier"


class SlowLogin(ForwardingVault):
    """A Vault whose logins take until they are let through; it notes the CSRs that come to be signed."""

    def __init__(self, bed: Testbed) -> None:
        super().__init__(bed, "slow-login")
        self._open = threading.Event()
        self._open.set()
        self.waiting = False
        self.calls = 0

    def hold(self) -> None:
        """Let no login through."""
        self.waiting = False
        self._open.clear()

    def release(self) -> None:
        """Let them through."""
        self._open.set()

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """The real Vault's answer, to a login late."""
        if path.endswith("/login"):
            self.waiting = not self._open.is_set()
            self._open.wait()
        status, answer = self.relay(method, path, headers, body)
        if b"BEGIN CERTIFICATE REQUEST" in body and status != 403:
            self.calls += 1
        return status, answer


@dataclass(frozen=True, slots=True)
class End:
    """What ends, and how the controller shows that its watch has brought it."""

    end: Callable[[], object]
    seen: Callable[[], bool]


def _rights() -> list[Object]:
    selector = {"issuerRef": {"name": ISSUER}, "namespace": {"matchLabels": {LABEL: "gold"}}}
    return [policy(POLICY, LAB, selector=selector), *use_binding(POLICY, [EVERYBODY])]


def _may_use(bed: Testbed, user: User, namespace: str) -> bool:
    """The API server's own answer, which lags behind the deletion of a binding by a moment."""
    attributes = {
        "verb": "use",
        "group": GROUP,
        "resource": POLICY_PLURAL,
        "name": POLICY,
        "namespace": namespace,
    }
    spec = {"user": user.name, "groups": list(user.groups), "resourceAttributes": attributes}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(bed.kube.http.call("POST", REVIEW, body)["status"]["allowed"])


def _ends(bed: Testbed, components: Components, key: RequestKey) -> dict[str, End]:
    state, store = components.state, components.state.requests[CertificateRequest]
    asked = store.get(key)
    assert asked is not None
    namespace, name = key
    issuer = IssuerKey("VaultClusterIssuer", "", ISSUER)

    def change_issuer() -> None:
        bed.kube.patch(API_VERSION, "VaultClusterIssuer", ISSUER, {"spec": {"approval": "External"}})

    before = state.issuers[issuer.kind].version(issuer)
    return {
        "policy": End(
            lambda: bed.kube.delete(API_VERSION, POLICY_KIND, POLICY),
            lambda: state.policies.get(POLICY) is None,
        ),
        "label": End(
            lambda: bed.kube.patch("v1", "Namespace", namespace, {"metadata": {"labels": {LABEL: "none"}}}),
            lambda: (state.namespaces.labels(namespace) or {}).get(LABEL) == "none",
        ),
        "use": End(
            lambda: bed.kube.delete(f"{RBAC}/v1", "ClusterRoleBinding", f"use-{POLICY}"),
            lambda: (
                not _may_use(bed, asked.requester, namespace)
                and not components.permissions.use.still_may_use(POLICY, namespace, asked.requester)
            ),
        ),
        "denied": End(
            lambda: set_condition(bed, name, namespace, "Denied"), lambda: not store.is_unchanged(asked)
        ),
        "deleted": End(
            lambda: bed.kube.delete(CERT_MANAGER, REQUEST, name, namespace),
            lambda: not store.is_unchanged(asked),
        ),
        "changed issuer": End(change_issuer, lambda: state.issuers[issuer.kind].version(issuer) != before),
        "deleted issuer": End(
            lambda: bed.kube.delete(API_VERSION, "VaultClusterIssuer", ISSUER),
            lambda: state.issuers[issuer.kind].version(issuer) is None,
        ),
    }


def _issuer(bed: Testbed, layout: PkiLayout, vault: SlowLogin) -> Object:
    """An issuer that logs in by AppRole through the slow Vault."""
    login = setup_approle(bed.vault, layout.policy, name="ended", mount=MOUNT)
    bed.kube.apply(secret("ended-secret-id", SYSTEM_NAMESPACE, secretId=login.secret_id))
    auth = {
        "appRole": {
            "path": login.mount,
            "roleId": login.role_id,
            "secretRef": {"name": "ended-secret-id", "key": "secretId"},
        }
    }
    issuer = vault_cluster_issuer(bed, ISSUER, auth)
    issuer["spec"]["approval"] = "Policy"
    issuer["spec"]["vault"] |= {"server": vault.addr, "caBundle": vault.ca_bundle}
    return issuer


def _team(bed: Testbed, namespace: str) -> Kube:
    """A client that may make requests in its namespace; the administrator may use every policy anyway."""
    rules = [{"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["create"]}]
    meta = {"name": "team", "namespace": namespace}
    client = bed.kube_as(namespace, "team")
    bed.kube.apply(
        [
            {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "team"},
                "subjects": [{"kind": "ServiceAccount", "name": "team", "namespace": namespace}],
            },
        ]
    )
    return client


async def test_what_ends_during_a_slow_login_signs_nothing(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    with SlowLogin(bed) as vault, only_policies(bed):
        team = _team(bed, namespace)
        issuer = _issuer(bed, layout, vault)
        async with in_process(bed) as running:
            components = running.manager.components
            names = ["policy", "label", "use", "denied", "deleted", "changed-issuer", "deleted-issuer"]
            for name in names:
                bed.kube.apply([issuer, *_rights()])
                bed.kube.patch("v1", "Namespace", namespace, {"metadata": {"labels": {LABEL: "gold"}}})
                key = RequestKey(namespace, name)
                await _ends_meanwhile(bed, components, vault, team, key)


def _is_ready(components: Components) -> bool:
    """Return True if the issuer was checked as it stands now, and policies decide."""
    key = IssuerKey("VaultClusterIssuer", "", ISSUER)
    entry = components.state.registry.find(key)
    return (
        entry is not None
        and entry.ready
        and not entry.external
        and entry.version == components.state.issuers[key.kind].version(key)
    )


def _ask(team: Kube, key: RequestKey) -> None:
    """Make the request as soon as the authorizer knows that the team may."""
    for _ in range(600):
        try:
            team.create(request_object(key.name, key.namespace, ISSUER))
        except HTTPError as error:
            if error.status != 403:
                raise
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the team may still make no requests")


async def _ends_meanwhile(
    bed: Testbed, components: Components, vault: SlowLogin, team: Kube, key: RequestKey
) -> None:
    state, queue = components.state, components.queues.requests
    await until(
        lambda: (
            _is_ready(components)
            and state.policies.get(POLICY) is not None
            and (state.namespaces.labels(key.namespace) or {}).get(LABEL) == "gold"
        ),
        "the rights are there",
    )
    vault.hold()
    bed.vault.call("POST", f"sys/leases/revoke-prefix/auth/{MOUNT}")
    signed, calls = len(signed_csrs(bed)), vault.calls
    await asyncio.to_thread(_ask, team, key)
    await until(lambda: vault.waiting and queue.where(key) == "work", "its call waits for the login")
    ended = _ends(bed, components, key)[key.name.replace("-", " ")]
    await asyncio.to_thread(ended.end)
    await until(ended.seen, f"the watch shows it: {key.name}")
    vault.release()
    await until(lambda: queue.where(key) != "work", "the attempt is over")
    assert (len(signed_csrs(bed)) - signed, vault.calls - calls) == (0, 0), f"{key.name}: it was signed"
    if key.name != "deleted":
        bed.kube.delete(CERT_MANAGER, REQUEST, key.name, key.namespace)
    await until(
        lambda: key not in state.requests[CertificateRequest].known(),
        "nobody signs it when the rights are back",
    )
