"""Symptoms of docs/troubleshooting.md that no other test shows: made on real parts, seen, and mended."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

import pytest
from cryptography import x509

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import HTTPError
from testbed.kube import Object
from testbed.samples import kubernetes_auth, vault_cluster_issuer
from testbed.vaultpki import (
    PkiLayout,
    mount_pki,
    setup_approle,
    setup_kubernetes_role,
    setup_policy,
    setup_role,
    setup_token,
    sign_intermediate,
)
from tests.integration.support.common import (
    cluster_issuer_with_token,
    delete_issuer,
    ready,
    request,
    secret,
    wait_answer,
    wait_issued,
    wait_ready,
    wait_reason,
)
from tests.integration.support.forwarding_vault import Answer, ForwardingVault

NOWHERE = "https://127.0.0.1:1"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller for this module; AWS's token service, as it is told, is where nobody answers."""
    with ControllerProcess(bed, ["--issuer-check-period=2"], env={"AWS_ENDPOINT_URL_STS": NOWHERE}) as one:
        yield one


class MeddlingVault(ForwardingVault):
    """Answers one path by itself as long as `answer` is set, and hands on the rest."""

    path = ""
    answer: Answer | None = None

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Its own answer where it has one."""
        if self.answer is not None and path.startswith(f"/v1/{self.path}"):
            return self.answer
        return self.relay(method, path, headers, body)


def behind(bed: Testbed, vault: ForwardingVault, name: str, layout: PkiLayout) -> None:
    """An issuer that reaches Vault through somebody else."""
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, name, token, server=vault.addr, caBundle=vault.ca_bundle)


def test_a_mount_without_a_ca_says_so_and_signs_once_it_has_one(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    mount_pki(bed.vault, "pki_bare", 8760)
    setup_role(bed.vault, "pki_bare", "lab")
    token = setup_token(bed.vault, setup_policy(bed.vault, "pki_bare", "lab"))
    cluster_issuer_with_token(bed, "bare", token, path="pki_bare/sign/lab")
    assert "default issuer" in wait_reason(bed, "bare", "CANotReady")
    request(bed, "bare", namespace, "bare")
    sign_intermediate(bed.vault, layout.root_mount, "pki_bare", "first", 4380)
    wait_issued(bed, "bare", namespace)
    delete_issuer(bed, "bare")


def issuer_of(bed: Testbed, name: str, path: str, *, reads: str | None = None) -> None:
    """An issuer of that path, whose login may sign there, and read one path more."""
    rules = [f'path "{path}" {{ capabilities = ["update"] }}']
    if reads is not None:
        rules.append(f'path "{reads}" {{ capabilities = ["read"] }}')
    policy = f"{name}-{'reads' if reads else 'signs'}"
    bed.vault.call("PUT", f"sys/policies/acl/{policy}", {"policy": "\n".join(rules)})
    cluster_issuer_with_token(bed, name, setup_token(bed.vault, policy), path=path)


def test_a_ca_that_has_expired_is_told_and_requests_wait_for_the_next(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    mount_pki(bed.vault, "pki_short", 8760)
    setup_role(bed.vault, "pki_short", "lab", max_ttl="2000h")
    sign_intermediate(bed.vault, layout.root_mount, "pki_short", "short", 10 / 3600)
    issuer_of(bed, "expired", "pki_short/sign/lab")
    message = wait_reason(bed, "expired", "CAExpired")
    assert "pki_short/sign/lab expired at" in message
    assert '"read" on "pki_short/roles/lab"' in message, "the role might name another CA"
    request(bed, "waits", namespace, "expired")
    said = ready(wait_answer(bed, "waits", namespace, "Pending"))["message"]
    assert "CAExpired" in said
    sign_intermediate(bed.vault, layout.root_mount, "pki_short", "rotated", 4380)
    wait_issued(bed, "waits", namespace)
    delete_issuer(bed, "expired")


def test_a_mount_without_a_default_signs_by_the_issuer_that_the_role_names(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    mount_pki(bed.vault, "pki_no_default", 8760)
    sign_intermediate(bed.vault, layout.root_mount, "pki_no_default", "named", 4380)
    setup_role(bed.vault, "pki_no_default", "lab", issuer_ref="named")
    bed.vault.write("pki_no_default/root/generate/internal", {"common_name": "gone", "issuer_name": "gone"})
    bed.vault.write("pki_no_default/config/issuers", {"default": "gone"})
    bed.vault.call("DELETE", "pki_no_default/issuer/gone")
    issuer_of(bed, "named", "pki_no_default/sign/lab")
    message = wait_reason(bed, "named", "CANotReady")
    assert '"read" on "pki_no_default/roles/lab"' in message
    assert '"pki_no_default/issuer/<name>/sign/lab"' in message
    issuer_of(bed, "named", "pki_no_default/sign/lab", reads="pki_no_default/roles/lab")
    found = wait_ready(bed, "named")
    pem = bed.vault.read("pki_no_default/issuer/named")["certificate"]
    ends = x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc
    assert found["status"]["caNotAfter"] == ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    request(bed, "by-the-role", namespace, "named")
    wait_issued(bed, "by-the-role", namespace)
    delete_issuer(bed, "named")


def test_a_role_with_a_fixed_end_is_told_with_the_command_that_takes_it_out(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    end = {"not_after": "2030-01-01T00:00:00Z"}
    setup_role(bed.vault, layout.mount, "fixed", **end)
    path, role = f"{layout.mount}/sign/fixed", f"{layout.mount}/roles/fixed"
    issuer_of(bed, "fixed", path)
    wait_ready(bed, "fixed")
    request(bed, "fixed", namespace, "fixed")
    said = ready(wait_answer(bed, "fixed", namespace, "Pending"))["message"]
    assert "RoleSetsNotAfter" in said, "nobody asks why it failed for good"
    issuer_of(bed, "fixed", path, reads=role)
    assert f"vault patch {role} not_after=''" in wait_reason(bed, "fixed", "RoleSetsNotAfter")
    bed.vault.call("PATCH", role, {"not_after": ""}, headers={"Content-Type": "application/merge-patch+json"})
    wait_issued(bed, "fixed", namespace)
    delete_issuer(bed, "fixed")


def test_an_http_address_of_a_listener_that_speaks_tls_is_told(bed: Testbed, layout: PkiLayout) -> None:
    plain = bed.vault.addr.replace("https:", "http:")
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, "plain", token, server=plain)
    assert plain in wait_reason(bed, "plain", "UnexpectedAnswer")
    cluster_issuer_with_token(bed, "plain", token)
    wait_ready(bed, "plain")
    delete_issuer(bed, "plain")


def test_trouble_of_vaults_own_is_waited_out(bed: Testbed, layout: PkiLayout, namespace: str) -> None:
    with MeddlingVault(bed, "troubled") as vault:
        behind(bed, vault, "troubled", layout)
        wait_ready(bed, "troubled")
        vault.path = layout.sign_path
        vault.answer = (500, json.dumps({"errors": ["internal error"]}).encode())
        request(bed, "patient", namespace, "troubled")
        assert "VaultUnavailable" in ready(wait_answer(bed, "patient", namespace, "Pending"))["message"]
        wait_reason(bed, "troubled", "VaultUnavailable")
        vault.answer = None
        wait_issued(bed, "patient", namespace)
        delete_issuer(bed, "troubled")


def test_a_chain_that_nobody_can_read_is_told(bed: Testbed, layout: PkiLayout) -> None:
    with MeddlingVault(bed, "garbled") as vault:
        vault.path = f"{layout.mount}/ca_chain"
        vault.answer = (200, b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n")
        behind(bed, vault, "garbled", layout)
        assert "can't be read" in wait_reason(bed, "garbled", "InvalidCAChain")
        vault.answer = None
        wait_ready(bed, "garbled")
        delete_issuer(bed, "garbled")


def test_a_quota_of_vaults_is_told_and_waited_for(bed: Testbed, layout: PkiLayout, namespace: str) -> None:
    cluster_issuer_with_token(bed, "quota", setup_token(bed.vault, layout.policy))
    wait_ready(bed, "quota")
    quota = {"path": f"{layout.mount}/", "rate": 1, "interval": "10s"}
    bed.vault.call("POST", "sys/quotas/rate-limit/tight", quota)
    try:
        for number in range(4):
            request(bed, f"held-{number}", namespace, "quota")

        def limited(found: Object) -> bool:
            return "VaultRateLimited" in ready(found).get("message", "")

        for number in (2, 3):
            bed.kube.wait(
                "cert-manager.io/v1", "CertificateRequest", f"held-{number}", namespace, until=limited
            )
        wait_reason(bed, "quota", "VaultRateLimited")
    finally:
        bed.vault.delete("sys/quotas/rate-limit/tight")
    for number in range(4):
        wait_issued(bed, f"held-{number}", namespace)
    delete_issuer(bed, "quota")


def test_a_locked_role_says_how_to_unlock_it_and_that_works(bed: Testbed, layout: PkiLayout) -> None:
    login = setup_approle(bed.vault, layout.policy, name="locked", mount="locked")
    wrong = {"role_id": login.role_id, "secret_id": "00000000-0000-0000-0000-000000000000"}
    for _ in range(6):
        with contextlib.suppress(HTTPError):
            bed.vault.call("POST", "auth/locked/login", wrong, token="")
    reference = {"name": "locked-login", "key": "secretId"}
    auth = {"appRole": {"path": "locked", "roleId": login.role_id, "secretRef": reference}}
    bed.kube.apply(secret("locked-login", SYSTEM_NAMESPACE, secretId=login.secret_id))
    bed.kube.apply(vault_cluster_issuer(bed, "locked", auth))
    assert "sys/locked-users" in wait_reason(bed, "locked", "LoginFailed")
    (mount,) = [
        one["mount_accessor"]
        for space in bed.vault.read("sys/locked-users")["by_namespace"]
        for one in space["mount_accessors"]
        if login.role_id in one["alias_identifiers"]
    ]
    bed.vault.call("POST", f"sys/locked-users/{mount}/unlock/{login.role_id}")
    again = secret("locked-login", SYSTEM_NAMESPACE, secretId=login.secret_id)
    again["metadata"]["labels"] = {"touched": "yes"}  # a refused secret ID waits; a changed Secret doesn't
    bed.kube.apply(again)
    wait_ready(bed, "locked")
    delete_issuer(bed, "locked")


def test_an_sts_that_does_not_answer_is_told(bed: Testbed) -> None:
    aws = {
        "role": "unheard",
        "region": "eu-central-1",
        "iamRoleArn": "arn:aws:iam::123456789012:role/vault",
        "serviceAccountRef": {"name": "vault-login"},
    }
    bed.kube.apply(vault_cluster_issuer(bed, "unheard", {"aws": aws}))
    assert NOWHERE in wait_reason(bed, "unheard", "STSUnavailable")
    delete_issuer(bed, "unheard")


def test_an_api_server_that_makes_no_tokens_now_is_told_and_tried_again(
    bed: Testbed, layout: PkiLayout
) -> None:
    setup_kubernetes_role(bed.vault, layout.policy, audience="vault://tokenless", role="tokenless")
    broken: Object = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "nobody-answers"},
        "webhooks": [
            {
                "name": "nobody.answers.test",
                "admissionReviewVersions": ["v1"],
                "sideEffects": "None",
                "failurePolicy": "Fail",
                "clientConfig": {"url": NOWHERE},
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["serviceaccounts/token"],
                    }
                ],
            }
        ],
    }
    bed.kube.apply(broken)
    try:
        bed.kube.apply(vault_cluster_issuer(bed, "tokenless", kubernetes_auth("tokenless")))
        message = wait_reason(bed, "tokenless", "KubernetesUnavailable")
        assert "vault-login" in message
    finally:
        bed.kube.delete(broken["apiVersion"], broken["kind"], "nobody-answers")
    wait_ready(bed, "tokenless")
    delete_issuer(bed, "tokenless")
