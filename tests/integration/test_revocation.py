"""Certificates are revoked when their requests are deleted or replaced, once, and never while in use."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from issuer.controller.revocation.plan import GRACE
from issuer.kube.wire import Object as Json
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Options, Testbed
from testbed.controller import SERVICE_ACCOUNT, ControllerProcess
from testbed.forking import run_command
from testbed.kube import Object
from testbed.labca import setup_pki
from testbed.samples import EVERYBODY, certificate, everything_policy, use_binding
from testbed.vaultpki import DOMAIN, PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.authorized import Access, wait_authorized
from tests.integration.support.common import (
    ADMISSION,
    CERT_MANAGER,
    REQUEST,
    only_policies,
    ready,
    request,
    revocations,
    secret,
    wait_answer,
    wait_issued,
    wait_ready,
    wait_reason,
)
from tests.integration.support.inprocess import controller_with_fault, until
from tests.integration.support.renewal import renew
from tests.integration.support.revocation import (
    count,
    delete,
    held,
    in_crl,
    issue,
    issue_certificate,
    issuer,
    issuer_object,
    revoked_at,
    told,
    vault_serial,
    wait_gone,
    wait_revoked,
)
from tests.integration.support.waiting import wait_until
from tests.sizes import sized

FINALIZER = "vault-issuer.io/revocation"
RIGHTS = REPOSITORY / "config" / "rbac" / "optional" / "revocation.yaml"
RBAC = "rbac.authorization.k8s.io/v1"
MANY = sized(100, 30)
SHORT_CHECKS = "--issuer-check-period=1"


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster that also finishes the deletion of namespaces and collects garbage."""
    options = Options(approver=False, kube_controllers=True, data_dir=tmp_path_factory.mktemp("revocation"))
    with Testbed(options) as running:
        running.install_crds()
        running.kube.apply([everything_policy(), *use_binding("everything", [EVERYBODY])])
        running.kube.apply(RIGHTS)
        running.kube.apply(ADMISSION)
        yield running


@pytest.fixture(scope="module")
def layout(bed: Testbed) -> PkiLayout:
    """The PKI in that cluster's OpenBao."""
    return setup_pki(bed.vault)


@pytest.fixture(scope="module")
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for most tests of this module."""
    with ControllerProcess(bed, [SHORT_CHECKS]) as one:
        yield one


@pytest.fixture
def running(controller: ControllerProcess) -> ControllerProcess:
    """The module's controller, started again if a test stopped it."""
    if not controller.running:
        controller.start()
    return controller


def test_a_request_collected_while_its_secret_holds_the_certificate_is_not_revoked(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    before, names, found = revocations(bed), ("web", "api"), {}
    for name, policy in zip(names, ("OnDelete", "OnReplace"), strict=True):
        revoking = issuer(bed, layout, f"collected-{policy.lower()}", policy)
        found[name] = issue_certificate(bed, name, namespace, revoking)
        guarded = bed.kube.get(CERT_MANAGER, REQUEST, f"{name}-1", namespace)["metadata"]
        assert guarded["finalizers"] == [FINALIZER]
        assert guarded["annotations"]["vault-issuer.io/revocation-secret"] == f"{name}-tls"
    # The garbage collector deletes the requests; the Secrets stay, as cert-manager's default is.
    for name in names:
        bed.kube.delete(CERT_MANAGER, "Certificate", name, namespace)
    for name in names:
        wait_gone(bed, f"{name}-1", namespace)
        assert held(bed, name, namespace) == found[name]
        assert revoked_at(bed, found[name]) == 0
    assert revocations(bed) == before
    wait_until(lambda: len(events(bed, namespace, "NotRevoked")) == 2, "it is told for both")


def test_a_forged_status_has_nobody_elses_certificate_revoked(
    bed: Testbed, layout: PkiLayout, running: ControllerProcess, namespace: str
) -> None:
    name = issuer(bed, layout, "forged", "OnDelete")
    victim = issue(bed, "victim", namespace, name)
    issue(bed, "forger", namespace, name)
    found = bed.kube.get(CERT_MANAGER, REQUEST, "forger", namespace)
    found["status"]["certificate"] = bed.kube.get(CERT_MANAGER, REQUEST, "victim", namespace)["status"][
        "certificate"
    ]
    found["status"]["failureTime"] = "2000-01-01T00:00:00Z"
    bed.kube.replace(found, "status")
    delete(bed, "forger", namespace)
    wait_gone(bed, "forger", namespace)
    assert revoked_at(bed, victim) == 0


def test_a_request_pruned_before_its_successor_is_answered_is_revoked_only_after_it(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    """cert-manager prunes the old request as soon as the new one exists: its Secret then lives on, in use."""
    before = revocations(bed)
    name = issuer(bed, layout, "pruned", "OnReplace")
    old = issue_certificate(bed, "web", namespace, name)
    with only_policies(bed):
        renew(bed.kube, "web", namespace)
        wait_answer(bed, "web-2", namespace, "Pending")
        bed.kube.wait(CERT_MANAGER, REQUEST, "web-1", namespace, until=is_deleted)
        time.sleep(GRACE.total_seconds() + 3)  # longer than it waits where no successor is being issued
        assert bed.kube.find(CERT_MANAGER, REQUEST, "web-1", namespace) is not None
        assert held(bed, "web", namespace) == old
        assert revocations(bed) == before
    wait_gone(bed, "web-1", namespace)
    assert held(bed, "web", namespace) != old
    assert revoked_at(bed, old) > 0
    assert revocations(bed) == before + 1


def is_deleted(found: Object) -> bool:
    """Whether it is being deleted, and only a finalizer keeps it."""
    return "deletionTimestamp" in found["metadata"]


def events(bed: Testbed, namespace: str, reason: str) -> list[str]:
    """Notes of the events of a namespace with that reason."""
    found = bed.kube.list("events.k8s.io/v1", "Event", namespace)
    return [str(one["note"]) for one in found if one["reason"] == reason]


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("OnDelete", 1), ("OnReplace", 1), ("OnReplace", 3)],
    ids=["OnDelete", "OnReplace", "OnReplace-kept"],
)
def test_a_renewed_certificates_predecessor_is_revoked_exactly_once(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess, policy: str, kept: int
) -> None:
    before = revocations(bed)
    name = issuer(bed, layout, namespace[:40], policy)
    old = issue_certificate(bed, "web", namespace, name, revisionHistoryLimit=kept)
    renew(bed.kube, "web", namespace)
    bed.kube.wait(
        "v1",
        "Secret",
        "web-tls",
        namespace,
        until=lambda _: held(bed, "web", namespace) != old,
    )
    wait_revoked(bed, old)
    if kept == 1:
        wait_gone(bed, "web-1", namespace)
    else:
        bed.kube.wait(
            CERT_MANAGER, REQUEST, "web-1", namespace, until=lambda one: not one["metadata"].get("finalizers")
        )
    assert revocations(bed) == before + 1
    assert in_crl(bed, old)
    new = held(bed, "web", namespace)
    assert revoked_at(bed, new) == 0
    assert not in_crl(bed, new)
    assert [one["serial"] for one in told(running, "revoked")][-1] == vault_serial(old)


def test_a_delay_is_honoured_and_survives_a_restart_of_the_controller(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    before = revocations(bed)
    name = issuer(bed, layout, "delayed", "OnDelete", "8s")
    found = issue(bed, "one", namespace, name)
    deleted = int(time.time())  # as deletionTimestamp: whole seconds
    delete(bed, "one", namespace)
    running.stop()
    assert bed.kube.get(CERT_MANAGER, REQUEST, "one", namespace)["metadata"]["deletionTimestamp"]
    running.start()
    wait_gone(bed, "one", namespace)
    assert revoked_at(bed, found) >= deleted + 8
    assert revocations(bed) == before + 1


def test_a_vault_that_was_down_revokes_when_it_is_back(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    before = revocations(bed)
    name = issuer(bed, layout, "outage", "OnDelete")
    found = issue(bed, "one", namespace, name)
    bed.vault.stop()
    try:
        seen = len(told(running, "revocation put off"))
        delete(bed, "one", namespace)
        wait_until(lambda: len(told(running, "revocation put off")) > seen, "it was tried and put off")
        assert bed.kube.find(CERT_MANAGER, REQUEST, "one", namespace) is not None
    finally:
        bed.vault.start()
    wait_gone(bed, "one", namespace, 120)
    assert revoked_at(bed, found) > 0
    assert revocations(bed) == before + 1


def test_a_namespace_with_many_requests_deletes_with_vault_down(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    name = issuer(bed, layout, "many", "OnDelete")
    names = [f"one-{number}" for number in range(MANY - 3)]
    for one in names:
        request(bed, one, namespace, name)
    found = issue_certificate(bed, "web", namespace, name)
    for number in range(2):
        issue_certificate(bed, f"web-{number}", namespace, name)
    for one in names:
        wait_issued(bed, one, namespace)
    before, lines = count(running, "abandoned"), len(told(running, "revocation abandoned"))
    bed.vault.stop()
    try:
        started = time.monotonic()
        bed.kube.delete("v1", "Namespace", namespace)
        wait_until(lambda: bed.kube.find("v1", "Namespace", namespace) is None, "the namespace is gone")
        took = time.monotonic() - started
    finally:
        bed.vault.start()
    print(f"a namespace with {MANY} requests was gone after {took:.1f} s with Vault down")
    assert count(running, "abandoned") == before + MANY
    abandoned = told(running, "revocation abandoned")[lines:]
    assert len(abandoned) == MANY
    assert vault_serial(found) in {one["serial"] for one in abandoned}
    assert {one["issuer"] for one in abandoned} == {f"VaultClusterIssuer {name}"}


def test_a_namespace_does_not_wait_for_a_long_delay(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    before = revocations(bed)
    name = issuer(bed, layout, "patient", "OnDelete", "24h")
    issue(bed, "early", namespace, name)
    issue(bed, "late", namespace, name)
    delete(bed, "early", namespace)
    bed.kube.delete("v1", "Namespace", namespace)
    wait_until(lambda: bed.kube.find("v1", "Namespace", namespace) is None, "the namespace is gone", 120)
    reasons = {one["request"]: one["reason"] for one in told(running, "revocation abandoned")}
    assert reasons[f"{namespace}/early"] == reasons[f"{namespace}/late"] == "NamespaceTerminating"
    assert revocations(bed) == before


def test_a_certificate_made_again_does_not_wait_for_the_delay_of_its_predecessor(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    name = issuer(bed, layout, "again", "OnDelete", "24h")
    old = issue_certificate(bed, "web", namespace, name)
    bed.kube.delete(CERT_MANAGER, "Certificate", "web", namespace)
    bed.kube.wait(CERT_MANAGER, REQUEST, "web-1", namespace, until=is_deleted)
    bed.kube.delete("v1", "Secret", "web-tls", namespace)
    bed.kube.apply(certificate("web", namespace, name, (f"web.{DOMAIN}",)))
    bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace, timeout=120)
    assert held(bed, "web", namespace) != old
    assert revoked_at(bed, old) == 0
    wait_until(
        lambda: any("NameWanted" in one for one in events(bed, namespace, "RevocationAbandoned")),
        "it is told",
    )


def test_a_policy_set_back_to_never_takes_the_finalizers_off(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    before = revocations(bed)
    name = issuer(bed, layout, "back", "OnDelete")
    issue(bed, "one", namespace, name)
    bed.kube.apply(issuer_object(bed, name, "Never"))
    bed.kube.wait(
        CERT_MANAGER, REQUEST, "one", namespace, until=lambda one: not one["metadata"].get("finalizers")
    )
    assert revocations(bed) == before


def test_a_request_that_was_never_answered_goes_at_once(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    name = issuer(bed, layout, "unanswered", "OnDelete", "24h")
    # The finalizer goes on before Vault is asked, and Vault refuses this one for good.
    request(bed, "refused", namespace, name, csr=csr_pem("www.example.com"))
    failed = wait_answer(bed, "refused", namespace, "Failed")
    assert failed["metadata"]["finalizers"] == [FINALIZER]
    delete(bed, "refused", namespace)
    wait_gone(bed, "refused", namespace)


def test_an_issuer_without_the_rights_says_so_and_heals(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    bed.kube.delete(RBAC, "ClusterRoleBinding", "vault-issuer-revocation")
    try:
        token = setup_token(bed.vault, "default")
        bed.kube.apply(secret("unable-token", SYSTEM_NAMESPACE, token=token))
        bed.kube.apply(issuer_object(bed, "unable", "OnDelete"))
        message = wait_reason(bed, "unable", "RevocationForbidden")
        assert "update on certificaterequests" in message
        assert "config/rbac/optional/revocation.yaml" in message
    finally:
        bed.kube.apply(RIGHTS)
    bed.vault.call("PUT", "sys/policies/acl/sign-only", sign_only(layout))
    token = setup_token(bed.vault, "sign-only", ttl="24h")
    bed.kube.apply(secret("unable-token", SYSTEM_NAMESPACE, token=token))
    found = wait_ready(bed, "unable")
    assert any("pki_int/revoke" in one for one in found["status"]["warnings"])
    # Vault refuses: told, and the request goes all the same.
    issue(bed, "one", namespace, "unable")
    delete(bed, "one", namespace)
    wait_gone(bed, "one", namespace)
    wait_until(
        lambda: any("RevocationNotPermitted" in one for one in events(bed, namespace, "RevocationAbandoned")),
        "a Warning event tells it",
    )


def sign_only(layout: PkiLayout) -> dict[str, str]:
    """A Vault policy that may not revoke."""
    return {"policy": f'path "{layout.sign_path}" {{ capabilities = ["update"] }}'}


def test_secrets_can_be_granted_namespace_by_namespace(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    name = issuer(bed, layout, "piecemeal", "OnReplace")
    bed.kube.delete(RBAC, "ClusterRoleBinding", "vault-issuer-revocation-secrets")
    try:
        wait_authorized(bed, refused=[Access("get", "", "secrets", namespace=namespace)])
        bed.kube.apply(certificate("web", namespace, name, (f"web.{DOMAIN}",)))
        waiting = wait_answer(bed, "web-1", namespace, "Pending")
        assert "RevocationForbidden" in ready(waiting)["message"]
        assert "web-tls" in ready(waiting)["message"]
        bed.kube.apply(
            {
                "apiVersion": RBAC,
                "kind": "RoleBinding",
                "metadata": {"name": "revocation", "namespace": namespace},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": "vault-issuer-revocation-secrets",
                },
                "subjects": [
                    {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": SYSTEM_NAMESPACE}
                ],
            }
        )
        bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
    finally:
        bed.kube.apply(RIGHTS)


def test_the_finalizers_can_be_released_without_a_controller(
    bed: Testbed, layout: PkiLayout, namespace: str, running: ControllerProcess
) -> None:
    name = issuer(bed, layout, "left-behind", "OnDelete")
    for one in ("one", "two"):
        issue(bed, one, namespace, name)
    running.stop()
    delete(bed, "one", namespace)
    code, plan = release(bed, "-n", namespace, "--dry-run")
    assert (code, plan["done"]) == (0, False)
    listed = {(one["name"], one["deleting"], one["released"]) for one in plan["requests"]}
    assert listed == {("one", True, False), ("two", False, False)}
    assert bed.kube.find(CERT_MANAGER, REQUEST, "one", namespace) is not None
    code, done = release(bed, "-n", namespace, "--yes")
    assert code == 0
    assert all(one["released"] for one in done["requests"])
    wait_gone(bed, "one", namespace)
    assert not bed.kube.get(CERT_MANAGER, REQUEST, "two", namespace)["metadata"].get("finalizers")
    assert release(bed, "-n", namespace)[1]["requests"] == []


def release(bed: Testbed, *more: str) -> tuple[int, dict[str, Any]]:
    """Run the command as an administrator; exit code and JSON."""
    words = ("revocation", "release", f"--kubeconfig={bed.kubeconfig}", "-o", "json")
    done = run_command(*words, *more)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout)


async def test_deleted_between_signing_and_writing_is_revoked_once_though_the_finalizer_keeps_it(
    bed: Testbed, layout: PkiLayout, namespace: str, controller: ControllerProcess
) -> None:
    controller.stop()
    before = revocations(bed)

    def remove(body: Json) -> None:
        delete(bed, body["metadata"]["name"], namespace)

    async with controller_with_fault(bed, remove) as inside:
        await asyncio.to_thread(issuer, bed, layout, "undelivered", "OnDelete")
        request(bed, "gone", namespace, "undelivered")
        await asyncio.to_thread(wait_gone, bed, "gone", namespace)
        await until(lambda: revocations(bed) == before + 1, "the certificate is revoked")
        await until(lambda: len(inside.manager.components.delivery.held) == 0, "nothing is held")
    assert revocations(bed) == before + 1
