"""Kubernetes CertificateSigningRequests: approved by others, judged by policy, and signed once."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
import yaml

from testbed.cluster import REPOSITORY, Testbed
from testbed.controller import RBAC as OUR_RBAC
from testbed.controller import ControllerProcess
from testbed.kube import Kube, Object
from testbed.samples import policy
from testbed.vaultpki import PkiLayout, setup_approle
from tests.integration.support.authorized import Access, wait_authorized
from tests.integration.support.common import (
    FIFTY_IN_FLIGHT,
    LAB,
    at_once,
    only_policies,
    request,
    revocations,
    signed_csrs,
    wait_in_flight,
    wait_issued,
)
from tests.integration.support.inprocess import controller_with_fault
from tests.integration.support.scope import Scope
from tests.integration.support.signing_requests import (
    CERTIFICATES,
    CLUSTER,
    CSR,
    NAMESPACED,
    RBAC,
    ask,
    ask_approved,
    decide,
    events,
    may,
    signing_request,
    wait_failed,
    wait_signed,
    wait_told,
)

ISSUER = "signer"
SIGNER = f"{CLUSTER}/{ISSUER}"
OURS = "vault-issuer-certificate-signing-requests"
DURATION = "experimental.cert-manager.io/request-duration"
BLOCKS = re.findall(
    r"^```yaml\n(.*?)^```",
    (REPOSITORY / "docs" / "certificate-signing-requests.md").read_text(),
    re.MULTILINE | re.DOTALL,
)
IS_CA = "experimental.cert-manager.io/request-is-ca"


@pytest.fixture(scope="module")
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller, and a cluster issuer whose AppRole mount nobody else uses."""
    with ControllerProcess(bed, ["--issuer-check-period=2", *FIFTY_IN_FLIGHT]) as one:
        issuer = made(bed, layout, Scope(bed, ISSUER, "default"))
        yield one
        issuer.delete()


def made(bed: Testbed, layout: PkiLayout, scope: Scope) -> Scope:
    """The issuer, Ready, with a login of its own."""
    scope.grant()
    login = setup_approle(bed.vault, layout.policy, name=scope.name, mount=scope.name)
    scope.store(id=login.secret_id)
    secret = scope.reference("id")
    scope.apply({"appRole": {"path": scope.name, "roleId": login.role_id, "secretRef": secret}})
    scope.wait_ready()
    return scope


@pytest.fixture
def owned(bed: Testbed, layout: PkiLayout, namespace: str, controller: ControllerProcess) -> Iterator[Scope]:
    """A VaultIssuer in the test's own namespace."""
    scope = made(bed, layout, Scope(bed, f"of-{namespace}", namespace, cluster=False))
    yield scope
    scope.delete()


@pytest.fixture
def team(bed: Testbed, namespace: str) -> Kube:
    """A client that may make CertificateSigningRequests and nothing else."""
    client = bed.kube_as(namespace, "team")
    rule = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"]}
    may(bed, f"ask-{namespace}", account(namespace), {**rule, "verbs": ["create"]})
    return client


def account(namespace: str) -> dict[str, str]:
    """The requester as a subject."""
    return {"kind": "ServiceAccount", "name": "team", "namespace": namespace}


def use(name: str) -> Object:
    """The rule that lets use one policy."""
    return {
        "apiGroups": ["vault-issuer.io"],
        "resources": ["certificaterequestpolicies"],
        "resourceNames": [name],
        "verbs": ["use"],
    }


def let_reference(bed: Testbed, issuer: Scope, name: str) -> None:
    """The team may name that issuer's signer; ``name`` is its name or "*"."""
    rule = {
        "apiGroups": ["vault-issuer.io"],
        "resources": ["signers"],
        "resourceNames": [name],
        "verbs": ["reference"],
    }
    may(bed, f"reference-{issuer.name}", account(issuer.namespace), rule, issuer.namespace)


def signer_of(issuer: Scope) -> str:
    """The signer name of a VaultIssuer."""
    return f"{NAMESPACED}/{issuer.namespace}.{issuer.name}"


def logins(bed: Testbed) -> int:
    """How often the module's issuer has logged in."""
    return sum(1 for one in bed.vault.audited(f"auth/{ISSUER}/login") if not one.get("error"))


def test_an_approved_request_gets_leaf_and_intermediates(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    before = len(signed_csrs(bed))
    ask(team, namespace, SIGNER, expirationSeconds=3600)
    ask_approved(bed, team, f"{namespace}-other", SIGNER)
    wait_signed(bed, f"{namespace}-other")
    waiting = bed.kube.get(CERTIFICATES, CSR, namespace)
    assert (len(signed_csrs(bed)), waiting["status"]) == (before + 1, {}), "nobody has approved it"
    decide(bed, namespace)
    leaf, issuing = wait_signed(bed, namespace)
    assert leaf.issuer == issuing.subject
    assert issuing.issuer != issuing.subject, "the root is no part of it"
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(seconds=3600 + 60)
    found = bed.kube.get(CERTIFICATES, CSR, namespace)
    assert [one["type"] for one in found["status"]["conditions"]] == ["Approved"]
    assert {one["reason"] for one in events(bed, namespace)} <= {"CertificateDiffers"}
    assert sum(f'{CSR} {namespace}"' in line for line in controller.log.read_text().splitlines()) == 1


@pytest.mark.parametrize("granted", ["by-name", "as-a-star"])
def test_a_namespaced_issuer_signs_for_who_may_reference_it_and_fails_others(
    bed: Testbed, namespace: str, team: Kube, owned: Scope, granted: str
) -> None:
    before = len(signed_csrs(bed))
    ask_approved(bed, team, f"{namespace}-early", signer_of(owned))
    failed = wait_failed(bed, f"{namespace}-early")
    assert (failed["status"], failed["reason"]) == ("True", "DeniedReference")
    assert owned.name in failed["message"]
    assert len(signed_csrs(bed)) == before
    let_reference(bed, owned, owned.name if granted == "by-name" else "*")
    ask_approved(bed, team, f"{namespace}-later", signer_of(owned))
    wait_signed(bed, f"{namespace}-later")


def test_a_denied_request_is_left_as_it_is(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    ask(team, namespace, SIGNER)
    decide(bed, namespace, "Denied")
    denied = bed.kube.get(CERTIFICATES, CSR, namespace)
    ask_approved(bed, team, f"{namespace}-other", SIGNER)
    wait_signed(bed, f"{namespace}-other")
    assert bed.kube.get(CERTIFICATES, CSR, namespace) == denied


@pytest.mark.parametrize(
    ("told", "signer", "annotations"),
    [
        ("ErrorParseDuration", SIGNER, {DURATION: "90 days"}),
        ("InvalidDuration", SIGNER, {DURATION: "5m"}),
        ("InvalidAnnotation", SIGNER, {IS_CA: "yes"}),
        ("CA:TRUE", SIGNER, {IS_CA: "true"}),
        ("InvalidSignerName", f"{NAMESPACED}/{ISSUER}", {}),
    ],
)
def test_a_request_that_can_never_be_served_fails_with_the_reason(
    bed: Testbed,
    namespace: str,
    team: Kube,
    controller: ControllerProcess,
    told: str,
    signer: str,
    annotations: dict[str, str],
) -> None:
    before = len(signed_csrs(bed))
    ask_approved(bed, team, namespace, signer, annotations=annotations)
    failed = wait_failed(bed, namespace)
    assert told in (failed["reason"] + failed["message"])
    wait_told(bed, namespace, failed["message"])
    assert len(signed_csrs(bed)) == before


def test_annotations_written_after_the_approval_only_narrow(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    """And the policy's maxDuration cuts what is asked for without a number, or beyond it."""
    asked: dict[str, dict[str, int]] = {
        "longer": {"expirationSeconds": 600},
        "shorter": {"expirationSeconds": 7200},
        "silent": {},
        "ca": {"expirationSeconds": 600},
    }
    late = {
        "longer": {DURATION: "500h"},
        "shorter": {DURATION: "15m"},
        "silent": {DURATION: "500h"},
        "ca": {IS_CA: "true"},
    }
    names = {which: f"{namespace[:40]}-{which}" for which in asked}
    allowed = {**LAB, "isCA": True}
    before = len(signed_csrs(bed))
    with only_policies(bed, policy(namespace, allowed, constraints={"maxDuration": "24h"})):
        for which, spec in asked.items():
            ask_approved(bed, team, names[which], SIGNER, **spec)
        for which, name in names.items():
            wait_told(bed, name, "use")
            bed.kube.patch(CERTIFICATES, CSR, name, {"metadata": {"annotations": late[which]}})
        may(bed, f"use-{namespace}", account(namespace), use(namespace))
        found = {which: wait_signed(bed, names[which])[0] for which in ("longer", "shorter", "silent")}
        failed = wait_failed(bed, names["ca"])
    lasts = {
        which: round((leaf.not_valid_after_utc - leaf.not_valid_before_utc) / timedelta(minutes=1))
        for which, leaf in found.items()
    }
    slack = 1  # minutes: Vault backdates by 30 seconds
    assert lasts == {
        "longer": pytest.approx(10, abs=slack),
        "shorter": pytest.approx(15, abs=slack),
        "silent": pytest.approx(24 * 60, abs=slack),
    }
    assert failed["reason"] == "CAFlagsContradict"
    assert "CA:TRUE" in failed["message"]
    assert len(signed_csrs(bed)) == before + 3


def test_a_policys_denial_fails_the_request_naming_every_field(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    before = len(signed_csrs(bed))
    with only_policies(bed, policy(namespace, {"dnsNames": {"values": ["only.this"]}})):
        may(bed, f"use-{namespace}", account(namespace), use(namespace))
        ask_approved(bed, team, namespace, SIGNER)
        failed = wait_failed(bed, namespace)
    assert failed["reason"] == "PolicyDenied"
    for field in ("spec.allowed.dnsNames.values", "spec.allowed.usages"):
        assert field in failed["message"]
    assert len(signed_csrs(bed)) == before


def test_a_request_no_policy_applies_to_says_so_once_and_wakes_with_rbac(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    with only_policies(bed, policy(namespace, LAB)):
        ask_approved(bed, team, namespace, SIGNER)
        wait_told(bed, namespace, "use", namespace)
        # A cluster issuer has no namespace: what is granted in one is not enough.
        may(bed, f"use-{namespace}", account(namespace), use(namespace), namespace)
        ask_approved(bed, team, f"{namespace}-two", SIGNER)
        wait_told(bed, f"{namespace}-two", "use", namespace)
        told = [one["note"] for one in events(bed, namespace)]
        assert len(told) == len(set(told))
        may(bed, f"use-{namespace}", account(namespace), use(namespace))
        wait_signed(bed, namespace)
        wait_signed(bed, f"{namespace}-two")


def test_a_namespaced_issuers_namespace_is_where_policies_look(
    bed: Testbed, namespace: str, team: Kube, owned: Scope
) -> None:
    let_reference(bed, owned, owned.name)
    issuer = {"group": "vault-issuer.io", "kind": "VaultIssuer", "name": owned.name}
    selector = {"issuerRef": issuer, "namespace": {"matchLabels": {"team": "a"}}}
    rule = {"rule": f"cr.namespace == '{namespace}' && self.endsWith('.example.test')"}
    allowed = {**LAB, "dnsNames": {"values": ["*"], "validations": [rule]}}
    with only_policies(bed, policy(namespace, allowed, selector=selector)):
        may(bed, f"use-{namespace}", account(namespace), use(namespace), namespace)
        ask_approved(bed, team, namespace, signer_of(owned))
        wait_told(bed, namespace, "team")
        bed.kube.patch("v1", "Namespace", namespace, {"metadata": {"labels": {"team": "a"}}})
        wait_signed(bed, namespace)


def test_a_request_waits_for_its_issuer_and_says_so(
    bed: Testbed, layout: PkiLayout, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    name = f"late-{namespace}"
    ask_approved(bed, team, namespace, f"{CLUSTER}/{name}")
    wait_told(bed, namespace, f'there is no VaultClusterIssuer "{name}"')
    issuer = made(bed, layout, Scope(bed, name, "default"))
    wait_signed(bed, namespace)
    issuer.delete()


def test_fifty_at_once_over_a_restart_are_signed_once_each_with_a_login_a_process(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    names = [f"{namespace}-{number}" for number in range(50)]
    before, signed_in = Counter(signed_csrs(bed)), logins(bed)
    for name in names:
        ask(team, name, SIGNER)
    bed.vault.pause()
    try:
        at_once(lambda name: decide(bed, name), names)
        wait_in_flight(controller, 50)
        controller.terminate()
    finally:
        bed.vault.resume()
    assert controller.stop() == 0
    for name in names:
        assert bed.kube.get(CERTIFICATES, CSR, name)["status"]["certificate"], "a stop finishes its work"
    controller.start()
    ask_approved(bed, team, namespace, SIGNER)
    wait_signed(bed, namespace)
    signed = Counter(signed_csrs(bed)) - before
    assert (len(signed), set(signed.values())) == (51, {1})
    assert logins(bed) == signed_in + 1


@pytest.mark.parametrize("change", ["deleted", "changed"])
async def test_what_happens_between_signing_and_writing_is_answered_once(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess, change: str
) -> None:
    def happens(_body: Object) -> None:
        if change == "deleted":
            bed.kube.delete(CERTIFICATES, CSR, namespace)
        else:
            bed.kube.patch(CERTIFICATES, CSR, namespace, {"metadata": {"labels": {"other": "writer"}}})

    await asyncio.to_thread(controller.stop)
    before, revoked = len(signed_csrs(bed)), revocations(bed)
    try:
        async with controller_with_fault(bed, happens):
            await asyncio.to_thread(ask_approved, bed, team, namespace, SIGNER)
            if change == "changed":
                await asyncio.to_thread(wait_signed, bed, namespace)
            else:
                for _ in range(100):
                    if revocations(bed) > revoked:
                        break
                    await asyncio.sleep(0.1)
    finally:
        await asyncio.to_thread(controller.start)
    assert len(signed_csrs(bed)) == before + 1
    assert revocations(bed) == revoked + (change == "deleted")


def test_without_the_right_to_sign_a_request_waits_and_certificaterequests_go_on(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    before = len(signed_csrs(bed))
    role = bed.kube.get(f"{RBAC}/v1", "ClusterRole", OURS)
    rules = [one for one in role["rules"] if one["resources"] != ["signers"]]
    bed.kube.patch(f"{RBAC}/v1", "ClusterRole", OURS, {"rules": rules})
    try:
        ask_approved(bed, team, namespace, SIGNER)
        wait_told(bed, namespace, "SigningForbidden", "sign on signers.certificates.k8s.io")
        assert len(signed_csrs(bed)) == before
        request(bed, "beside", namespace, ISSUER)
        wait_issued(bed, "beside", namespace)
    finally:
        bed.kube.apply(OUR_RBAC)
    wait_signed(bed, namespace)


class Ungranted(ControllerProcess):
    """A controller in a cluster without config/rbac/certificate-signing-requests.yaml."""

    def grant(self) -> None:
        """All but that."""
        super().grant()
        self._bed.kube.delete(f"{RBAC}/v1", "ClusterRoleBinding", OURS)
        wait_authorized(
            self._bed, refused=[Access("list", "certificates.k8s.io", "certificatesigningrequests")]
        )


def test_a_cluster_without_the_grant_works_for_certificaterequests_and_notices_it_later(
    bed: Testbed, namespace: str, team: Kube, controller: ControllerProcess
) -> None:
    controller.stop()
    try:
        with Ungranted(bed, ["--issuer-check-period=2"]) as ungranted:
            ask_approved(bed, team, namespace, SIGNER)
            request(bed, "beside", namespace, ISSUER)
            wait_issued(bed, "beside", namespace)
            assert not bed.kube.get(CERTIFICATES, CSR, namespace)["status"].get("certificate")
            bed.kube.apply(OUR_RBAC)
            wait_signed(bed, namespace)
            log = ungranted.log.read_text()
        assert log.count("may not be watched") == 1
    finally:
        controller.start()


def test_what_the_documentation_shows_works_as_it_is(
    bed: Testbed, layout: PkiLayout, controller: ControllerProcess
) -> None:
    rights, asked = (list(yaml.safe_load_all(one)) for one in BLOCKS)
    shop = bed.create_namespace("shop")
    issuer = made(bed, layout, Scope(bed, "web", shop, cluster=False))
    with only_policies(bed):
        bed.kube.apply(rights)
        [manifest] = asked
        manifest["spec"]["request"] = signing_request("shop-web", SIGNER)["spec"]["request"]
        bed.kube_as(shop, "build").create(manifest)
        bed.kubectl("certificate", "approve", "shop-web")
        leaf = wait_signed(bed, "shop-web")[0]
        assert bed.kubectl("get", "csr", "shop-web", "-o", "jsonpath={.status.certificate}")
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(hours=25)
    issuer.delete()
