"""Approval by policy: one write approves and issues, a denial names its fields, and waiting says for what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Kube, Object
from testbed.samples import API_VERSION, EVERYBODY, certificate, policy, use_binding, vault_cluster_issuer
from testbed.vaultpki import PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.authorized import Access, wait_authorized
from tests.integration.support.common import (
    CERT_MANAGER,
    LAB,
    REQUEST,
    cluster_issuer_with_token,
    condition,
    delete_issuer,
    events,
    only_policies,
    ready,
    request_object,
    secret,
    set_condition,
    signed_csrs,
    token_auth,
    wait_answer,
    wait_issued,
    wait_ready,
    wait_reason,
)

ISSUER = "approving"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller, one issuer in Policy and one in External mode."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        token = setup_token(bed.vault, layout.policy)
        for name, approval in ((ISSUER, "Policy"), ("outside", "External")):
            bed.kube.apply(secret(f"{name}-token", "vault-issuer-system", token=token))
            issuer = vault_cluster_issuer(bed, name, token_auth(f"{name}-token"))
            issuer["spec"]["approval"] = approval
            bed.kube.apply(issuer)
            wait_ready(bed, name)
        yield one
        for name in (ISSUER, "outside"):
            delete_issuer(bed, name)


@pytest.fixture(autouse=True)
def no_other_policies(bed: Testbed) -> Iterator[None]:
    """Each test has only the policies it makes itself."""
    with only_policies(bed):
        yield


@pytest.fixture
def team(bed: Testbed, namespace: str) -> Kube:
    """A client of the test's own namespace that may make requests and nothing else."""
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": ["cert-manager.io"], "resources": ["certificaterequests"], "verbs": ["create"]}]
    meta = {"name": "team", "namespace": namespace}
    client = bed.kube_as(namespace, "team")
    bed.kube.apply(
        [
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": "team"},
                "subjects": [{"kind": "ServiceAccount", "name": "team", "namespace": namespace}],
            },
        ]
    )
    return client


def account(namespace: str) -> dict[str, str]:
    """The requester as a subject."""
    return {"kind": "ServiceAccount", "name": "team", "namespace": namespace}


def ask(team: Kube, name: str, namespace: str, *dns: str, issuer: str = ISSUER, **spec: Any) -> None:
    """Make a request as the team."""
    csr = csr_pem(*(dns or (f"{name}.lab.example.test",)))
    team.create(request_object(name, namespace, issuer, csr=csr, **spec))


def bound_policy(bed: Testbed, namespace: str, allowed: Object = LAB, **spec: Any) -> str:
    """A policy of this test's name that its team may use."""
    bed.kube.apply([policy(namespace, allowed, **spec), *use_binding(namespace, [account(namespace)])])
    bed.kube.wait(API_VERSION, "CertificateRequestPolicy", namespace)
    return namespace


def test_one_write_approves_and_issues(bed: Testbed, namespace: str, team: Kube) -> None:
    name = bound_policy(bed, namespace)
    ask(team, "good", namespace)
    found = wait_issued(bed, "good", namespace)
    approved = condition(found, "Approved")
    assert approved["reason"] == "vault-issuer.io"
    assert name in approved["message"]
    writers = [one for one in found["metadata"]["managedFields"] if one.get("subresource") == "status"]
    assert len(writers) == 1, "nobody but us wrote the status"
    assert approved["lastTransitionTime"] == ready(found)["lastTransitionTime"]


def test_a_denial_names_every_field_and_signs_nothing(bed: Testbed, namespace: str, team: Kube) -> None:
    bound_policy(bed, namespace, constraints={"maxDuration": "1h"})
    before = len(signed_csrs(bed))
    ask(team, "bad", namespace, "www.example.com", duration="24h")
    found = wait_answer(bed, "bad", namespace, "Denied")
    denied = condition(found, "Denied")
    assert denied["status"] == "True"
    for field in ("spec.allowed.dnsNames.values", "spec.constraints.maxDuration"):
        assert field in denied["message"]
    assert found["status"]["failureTime"]
    assert condition(found, "Approved") == {}
    assert len(signed_csrs(bed)) == before


def test_without_any_policy_a_request_waits_and_says_so(bed: Testbed, namespace: str, team: Kube) -> None:
    ask(team, "lonely", namespace)
    message = ready(wait_answer(bed, "lonely", namespace, "Pending"))["message"]
    assert "CertificateRequestPolicy" in message
    bound_policy(bed, namespace)
    wait_issued(bed, "lonely", namespace)


def test_a_missing_binding_is_told_and_its_coming_is_noticed(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    bed.kube.apply(policy(namespace, LAB))
    ask(team, "unbound", namespace)
    message = ready(wait_answer(bed, "unbound", namespace, "Pending"))["message"]
    assert namespace in message
    assert "use" in message
    bed.kube.apply(use_binding(namespace, [account(namespace)]))
    wait_issued(bed, "unbound", namespace)


def test_a_request_that_comes_before_its_policy_outlives_a_default_deny(
    bed: Testbed, namespace: str, controller: ControllerProcess, team: Kube
) -> None:
    controller.stop()
    deny = f"{namespace}-deny"
    bed.kube.apply([policy(deny, {}), *use_binding(deny, [account(namespace)])])
    with ControllerProcess(bed, ["--denial-delay=3"]):
        ask(team, "early", namespace)
        message = ready(wait_answer(bed, "early", namespace, "Pending"))["message"]
        assert "unless a policy that allows it appears" in message
        assert "spec.allowed.dnsNames" in message
        bound_policy(bed, namespace)
        assert namespace in condition(wait_issued(bed, "early", namespace), "Approved")["message"]
        ask(team, "bad", namespace, "www.example.com")
        assert condition(wait_answer(bed, "bad", namespace, "Denied"), "Denied")["status"] == "True"
    controller.start()


def test_a_certificate_says_why_its_request_waits_or_was_denied(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    """By events that `kubectl describe certificate` shows; cert-manager makes the request."""
    bed.kube.apply(certificate("shown", namespace, ISSUER, ["www.example.com"]))
    for reason, says in (("Pending", "is waiting: No "), ("Denied", "was denied: ")):
        if reason == "Denied":
            bed.kube.apply([policy(namespace, LAB), *use_binding(namespace, [EVERYBODY])])
        assert {one["regarding"]["kind"] for one in events(bed, namespace, "shown-1", reason)} == {REQUEST}
        (event,) = events(bed, namespace, "shown", reason)
        assert event["regarding"]["kind"] == "Certificate"
        assert event["note"].startswith(f'CertificateRequest "shown-1" {says}')
    where = ("describe", "certificate", "shown", f"--namespace={namespace}", f"--cache-dir={tmp_path}")
    described = bed.kubectl(*where)
    for words in ('"shown-1" is waiting: ', '"shown-1" was denied: ', "spec.allowed.dnsNames"):
        assert words in described


def test_a_namespace_label_decides_and_its_change_is_noticed(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    selector = {"issuerRef": {"group": "vault-issuer.io"}, "namespace": {"matchLabels": {"team": "a"}}}
    bound_policy(bed, namespace, selector=selector)
    ask(team, "unlabelled", namespace)
    assert "namespace" in ready(wait_answer(bed, "unlabelled", namespace, "Pending"))["message"]
    bed.kube.patch("v1", "Namespace", namespace, {"metadata": {"labels": {"team": "a"}}})
    wait_issued(bed, "unlabelled", namespace)
    bed.kube.patch("v1", "Namespace", namespace, {"metadata": {"labels": {"team": "b"}}})
    ask(team, "relabelled", namespace)
    wait_answer(bed, "relabelled", namespace, "Pending")


def test_a_deleted_policy_and_a_removed_binding_hold_for_the_next_request(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    name = bound_policy(bed, namespace)
    ask(team, "first", namespace)
    wait_issued(bed, "first", namespace)
    bed.kube.delete("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", f"use-{name}")
    eventually_waits(bed, namespace, team, "unbound")
    bed.kube.apply(use_binding(name, [account(namespace)]))
    wait_issued(bed, "unbound-0", namespace)
    bed.kube.delete(API_VERSION, "CertificateRequestPolicy", name)
    eventually_waits(bed, namespace, team, "deleted")


def eventually_waits(bed: Testbed, namespace: str, team: Kube, prefix: str) -> None:
    """The next request waits; should the watch be a moment behind, the one after it."""
    for attempt in range(3):
        ask(team, f"{prefix}-{attempt}", namespace)
        answer = bed.kube.wait(
            CERT_MANAGER, REQUEST, f"{prefix}-{attempt}", namespace, until=lambda obj: bool(ready(obj))
        )
        if ready(answer)["reason"] == "Pending":
            if attempt:
                bed.kube.delete(CERT_MANAGER, REQUEST, f"{prefix}-0", namespace)
                ask(team, f"{prefix}-0", namespace)
            return
    raise AssertionError("it was issued three times over")


def test_an_invalid_policy_is_never_evaluated_and_says_why(bed: Testbed, namespace: str, team: Kube) -> None:
    broken = {"dnsNames": {"validations": [{"rule": "self.nonsense("}]}}
    bed.kube.apply([policy(namespace, broken), *use_binding(namespace, [account(namespace)])])
    found = bed.kube.wait(API_VERSION, "CertificateRequestPolicy", namespace, until="Ready=False")
    assert "spec.allowed.dnsNames.validations" in condition(found, "Ready")["message"]
    ask(team, "waiting", namespace)
    wait_answer(bed, "waiting", namespace, "Pending")


def test_without_the_right_to_approve_nothing_is_signed(bed: Testbed, namespace: str, team: Kube) -> None:
    bound_policy(bed, namespace)
    before = len(signed_csrs(bed))
    group, kind = "rbac.authorization.k8s.io/v1", "ClusterRoleBinding"
    binding = bed.kube.get(group, kind, "vault-issuer-approve")
    bed.kube.delete(group, kind, "vault-issuer-approve")
    try:
        signers = "vaultclusterissuers.vault-issuer.io/*"
        wait_authorized(bed, refused=[Access("approve", "cert-manager.io", "signers", signers)])
        # No check of the issuer is waited for: the right is asked for before each signing.
        for number in range(10):
            ask(team, f"early-{number}", namespace)
        ask(team, "unapprovable", namespace)
        assert "approve" in wait_reason(bed, ISSUER, "ApprovalForbidden")
        message = ready(wait_answer(bed, "unapprovable", namespace, "Pending"))["message"]
        assert "ApprovalForbidden" in message
        assert len(signed_csrs(bed)) == before
    finally:
        for field in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
            binding["metadata"].pop(field, None)
        bed.kube.apply(binding)
    wait_ready(bed, ISSUER)
    wait_issued(bed, "unapprovable", namespace)


def test_external_waits_for_the_other_approver_and_then_still_evaluates(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    """One that nobody approved is decided by the policies as soon as its issuer lets them."""
    bound_policy(bed, namespace)
    ask(team, "late", namespace, issuer="outside")
    ask(team, "good", namespace, issuer="outside")
    ask(team, "bad", namespace, "www.example.com", issuer="outside")
    for name in ("good", "bad"):
        set_condition(bed, name, namespace, "Approved")
    wait_issued(bed, "good", namespace)
    found = wait_answer(bed, "bad", namespace, "Failed")
    assert "spec.allowed.dnsNames.values" in ready(found)["message"]
    assert condition(found, "Denied") == {}
    assert not bed.kube.get(CERT_MANAGER, REQUEST, "late", namespace).get("status")
    for approval in ("Policy", "External"):
        bed.kube.patch(API_VERSION, "VaultClusterIssuer", "outside", {"spec": {"approval": approval}})
        wait_ready(bed, "outside")
        wait_issued(bed, "late", namespace)


def test_external_without_a_policy_for_the_issuer_trusts_the_approver_and_says_so(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    ask(team, "unguarded", namespace, issuer="outside")
    set_condition(bed, "unguarded", namespace, "Approved")
    wait_issued(bed, "unguarded", namespace)
    found = bed.kube.wait(
        API_VERSION,
        "VaultClusterIssuer",
        "outside",
        until=lambda obj: any("selects this issuer" in one for one in obj["status"].get("warnings", ())),
    )
    assert ready(found)["status"] == "True"


def test_somebody_elses_approval_changes_nothing_in_policy_mode(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    before = len(signed_csrs(bed))
    ask(team, "pushed", namespace)
    set_condition(bed, "pushed", namespace, "Approved")
    wait_answer(bed, "pushed", namespace, "Pending")
    bound_policy(bed, namespace, {"dnsNames": {"values": ["only.this"]}})
    found = wait_answer(bed, "pushed", namespace, "Failed")
    assert "approved by somebody else" in ready(found)["message"]
    assert condition(found, "Denied") == {}
    assert len(signed_csrs(bed)) == before


def test_a_verbatim_path_needs_a_policy_that_selects_its_issuer(bed: Testbed, layout: PkiLayout) -> None:
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, "verbatim", token, path=f"{layout.mount}/sign-verbatim")
    assert "selector names it" in wait_reason(bed, "verbatim", "NoPolicy")
    bed.kube.apply(policy("elsewhere", LAB, selector={"issuerRef": {"name": "another"}}))
    wait_reason(bed, "verbatim", "NoPolicy")
    bed.kube.apply(policy("guard", LAB, selector={"issuerRef": {"name": "verb*"}}))
    # Guarded it is; its token may sign with a role only.
    wait_reason(bed, "verbatim", "PermissionDenied")
    delete_issuer(bed, "verbatim")


def test_the_reason_why_a_request_waits_can_be_told_without_names(
    bed: Testbed, namespace: str, controller: ControllerProcess, team: Kube
) -> None:
    controller.stop()
    bed.kube.apply(policy("secret-project", LAB))
    with ControllerProcess(bed, ["--no-name-policies"]):
        ask(team, "curious", namespace)
        message = ready(wait_answer(bed, "curious", namespace, "Pending"))["message"]
    controller.start()
    assert "secret-project" not in message
    assert "1" in message


def test_a_mistake_in_a_policy_does_not_open_an_external_issuer(
    bed: Testbed, namespace: str, team: Kube
) -> None:
    bound_policy(bed, namespace, {"dnsNames": {"values": ["only.this"]}})
    bed.kube.apply(policy(namespace, LAB, constraints={"minDuration": "3h", "maxDuration": "1h"}))
    bed.kube.wait(API_VERSION, "CertificateRequestPolicy", namespace, until="Ready=False")
    before = len(signed_csrs(bed))
    ask(team, "guarded", namespace, issuer="outside")
    set_condition(bed, "guarded", namespace, "Approved")
    assert namespace in ready(wait_answer(bed, "guarded", namespace, "Pending"))["message"]
    assert len(signed_csrs(bed)) == before
