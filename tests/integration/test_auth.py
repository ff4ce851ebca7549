"""Every way to log in and to name Vault that is built works end to end; every other one is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.labca import setup_pki
from testbed.samples import API_VERSION
from testbed.vaultpki import (
    DOMAIN,
    PkiLayout,
    setup_approle,
    setup_kubernetes_role,
    setup_token,
    sign_intermediate,
)
from tests.integration.support.common import secret
from tests.integration.support.scope import ACCOUNT, Scope, certificates_of, sweep

CLIENT_CERTIFICATE = {"clientCertificate": {"mountPath": "/v1/auth/cert", "secretName": "login"}}
AWS = {"aws": {"role": "issuer", "region": "eu-central-1"}}


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module, which looks at issuers often."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
    sweep(bed)


def token_reference(scope: Scope) -> dict[str, Any]:
    """``spec.vault.auth`` with the token in the scope's Secret."""
    return {"tokenSecretRef": scope.reference("token")}


def kubernetes(scope: Scope, *, audiences: list[str] | None = None) -> dict[str, Any]:
    """``spec.vault.auth`` with a ServiceAccount and the Vault role of the scope's name."""
    account = {"name": ACCOUNT, **({"audiences": audiences} if audiences else {})}
    return {"kubernetes": {"role": scope.name, "serviceAccountRef": account}}


def bind(scope: Scope, layout: PkiLayout, audience: str | None) -> None:
    """A Vault role of the scope's name for its ServiceAccount with that audience."""
    setup_kubernetes_role(
        scope.bed.vault, layout.policy, audience=audience, role=scope.name, namespace=scope.home
    )


def test_a_token_in_a_secret(scope: Scope, layout: PkiLayout) -> None:
    scope.store(token=setup_token(scope.bed.vault, layout.policy))
    scope.apply(token_reference(scope))
    assert "tokenSecretRef" in scope.works()


@pytest.mark.parametrize(("mount", "path"), [("approle", ""), ("teams/approle", "teams/approle")])
def test_an_app_role_at_the_default_and_at_another_mount(
    scope: Scope, layout: PkiLayout, mount: str, path: str
) -> None:
    login = setup_approle(scope.bed.vault, layout.policy, name=scope.name, mount=mount)
    scope.store(id=login.secret_id)
    scope.apply({"appRole": {"path": path, "roleId": login.role_id, "secretRef": scope.reference("id")}})
    assert "appRole" in scope.works()


def test_an_app_role_with_its_role_id_in_a_secret(scope: Scope, layout: PkiLayout) -> None:
    login = setup_approle(scope.bed.vault, layout.policy, name=scope.name)
    references = {"roleIdSecretRef": scope.reference("role"), "secretRef": scope.reference("id")}
    scope.store(id=login.secret_id)
    scope.apply({"appRole": {"path": "", **references}})
    assert "roleIdSecretRef" in scope.wait_reason("SecretKeyNotFound")
    scope.store(id=login.secret_id, role=f"{login.role_id}\n")
    assert "appRole" in scope.works()
    scope.store(id=login.secret_id, role="another")
    scope.wait_reason("LoginFailed")


def test_an_app_role_without_a_secret_id_is_for_cluster_issuers(scope: Scope, layout: PkiLayout) -> None:
    vault = scope.bed.vault
    bound = {"bind_secret_id": False, "token_bound_cidrs": ["127.0.0.1/32"]}
    body = {"token_policies": [layout.policy], "token_ttl": "20m", **bound}
    setup_approle(vault, layout.policy, name=f"{scope.name}-other")  # enables the method
    vault.write(f"auth/approle/role/{scope.name}", body)
    scope.store(role=vault.read(f"auth/approle/role/{scope.name}/role-id")["role_id"])
    scope.apply({"appRole": {"path": "approle", "roleIdSecretRef": scope.reference("role")}})
    if scope.cluster:
        assert "appRole" in scope.works()
    else:
        assert "secretRef" in scope.wait_reason("AmbientCredentialsNotAllowed")


def test_a_service_account_logs_in_with_the_audience_of_its_issuer(scope: Scope, layout: PkiLayout) -> None:
    bind(scope, layout, scope.audience)
    scope.apply(kubernetes(scope))
    assert "kubernetes" in scope.works()


def test_extra_audiences_are_in_the_token_too(scope: Scope, layout: PkiLayout) -> None:
    bind(scope, layout, "extra.example.test")
    scope.apply(kubernetes(scope, audiences=["first.example.test", "extra.example.test"]))
    scope.works()


def test_the_audience_of_another_issuer_is_refused_and_told(
    scope: Scope, layout: PkiLayout, controller: ControllerProcess
) -> None:
    other = Scope(scope.bed, "someone-else", scope.namespace, scope.cluster)
    bind(scope, layout, other.audience)
    scope.apply(kubernetes(scope))
    message = scope.wait_reason("LoginFailed")
    assert "audience" in message
    assert f'"{scope.name}"' in message
    assert "eyJ" not in message, "the ServiceAccount's token"
    bind(scope, layout, scope.audience)
    scope.works()
    assert "eyJ" not in controller.log.read_text()


def test_a_service_accounts_token_in_a_secret(scope: Scope, layout: PkiLayout) -> None:
    bind(scope, layout, "vault")
    scope.store(token=scope.bed.service_account_token(scope.home, ACCOUNT, ["vault"]))
    scope.apply({"kubernetes": {"role": scope.name, "secretRef": {"name": scope.credentials}}})
    scope.works()


def test_of_several_methods_the_first_in_cert_managers_order_counts_and_the_status_warns(
    cluster: Scope, layout: PkiLayout
) -> None:
    vault = cluster.bed.vault
    login = setup_approle(vault, layout.policy, name=cluster.name)
    cluster.store(token=setup_token(vault, layout.policy), id=login.secret_id)
    role = {"path": "approle", "roleId": login.role_id, "secretRef": cluster.reference("id")}
    unusable = {**kubernetes(cluster), **AWS}
    cluster.apply({**token_reference(cluster), "appRole": {**role, "roleId": "wrong"}, **unusable})
    assert "logged in by tokenSecretRef" in cluster.works()
    assert "tokenSecretRef is used, appRole, kubernetes, aws ignored" in " ".join(warnings(cluster))
    cluster.delete()
    cluster.apply({"appRole": role, **CLIENT_CERTIFICATE, **unusable})
    assert "logged in by appRole" in cluster.wait_ready()
    assert "appRole is used, clientCertificate, kubernetes, aws ignored" in " ".join(warnings(cluster))
    cluster.delete()
    cluster.apply({"appRole": role})
    cluster.wait_ready()
    assert warnings(cluster) == []
    cluster.delete()
    cluster.apply({**CLIENT_CERTIFICATE, **kubernetes(cluster)})
    assert "spec.vault.auth.clientCertificate.secretName" in cluster.wait_reason("SecretNotFound")


def warnings(scope: Scope) -> list[str]:
    """``status.warnings`` of a cluster issuer."""
    status = scope.bed.kube.get(API_VERSION, scope.kind, scope.name)["status"]
    return list(status.get("warnings") or [])


def used_last(scope: Scope, layout: PkiLayout) -> str:
    """Display name of the token with which the latest call of the sign path was made."""
    names = [
        one["auth"].get("display_name", "")
        for one in scope.bed.vault.audited(layout.sign_path)
        if scope.name in one["auth"].get("display_name", "")
    ]
    return str(names[-1]) if names else ""


def test_a_new_token_in_the_secret_is_used_without_a_restart(scope: Scope, layout: PkiLayout) -> None:
    first, second = (
        setup_token(scope.bed.vault, layout.policy, display_name=f"{scope.name}-{which}")
        for which in ("first", "second")
    )
    scope.store(token=first)
    scope.apply(token_reference(scope))
    scope.works()
    assert used_last(scope, layout).endswith("-first")
    scope.store(token=second)
    for _ in range(1200):
        if used_last(scope, layout).endswith("-second"):
            break
        time.sleep(0.1)
    scope.issue("with-the-new-one")
    assert used_last(scope, layout).endswith("-second")


def test_a_revoked_token_is_told_and_a_new_one_heals(
    scope: Scope, layout: PkiLayout, controller: ControllerProcess
) -> None:
    vault = scope.bed.vault
    token = setup_token(vault, layout.policy)
    scope.store(token=token)
    scope.apply(token_reference(scope))
    scope.works()
    vault.write("auth/token/revoke", {"token": token})
    message = scope.wait_reason("LoginFailed")
    assert "revoked" in message
    assert "Secret" in message
    scope.request("during")
    scope.store(token=setup_token(vault, layout.policy))
    scope.wait_ready()
    scope.bed.kube.wait("cert-manager.io/v1", "CertificateRequest", "during", scope.namespace)
    assert token not in controller.log.read_text()


def test_a_vault_namespace(scope: Scope, layout: PkiLayout) -> None:
    vault, headers = scope.bed.vault, {"X-Vault-Namespace": scope.name}
    vault.call("POST", f"sys/namespaces/{scope.name}", {})

    def inside(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return vault.call(method, path, body, headers=headers)

    inside("POST", "sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": "8760h"}})
    inside("POST", "pki/root/generate/internal", {"common_name": "Team CA", "ttl": "8760h", "key_type": "ec"})
    role = {"allowed_domains": [DOMAIN], "allow_subdomains": True, "key_type": "any", "require_cn": False}
    inside("POST", "pki/roles/lab", role)
    rule = 'path "pki/sign/lab" { capabilities = ["update"] }'
    inside("PUT", "sys/policies/acl/sign", {"policy": rule})
    made = inside("POST", "auth/token/create", {"policies": ["sign"], "ttl": "1h", "no_parent": True})
    scope.store(token=made["auth"]["client_token"])
    scope.apply(token_reference(scope), path="pki/sign/lab", namespace="not-there")
    assert '"not-there"' in scope.wait_reason("PathNotFound")
    scope.apply(token_reference(scope), path="pki/sign/lab", namespace=scope.name)
    scope.wait_ready()
    issued = certificates_of(scope.issue())
    assert "Team CA" in issued[0].issuer.rfc4514_string()


def test_a_ca_bundle_in_a_secret(scope: Scope, layout: PkiLayout) -> None:
    bed = scope.bed
    scope.store(token=setup_token(bed.vault, layout.policy))
    reference = {"name": scope.ca_secret}
    scope.apply(token_reference(scope), caBundle=None, caBundleSecretRef=reference)
    message = scope.wait_reason("SecretNotFound")
    assert "caBundleSecretRef" in message
    bed.kube.apply(secret(scope.ca_secret, scope.home, **{"ca.crt": "not a certificate"}))
    assert "PEM" in scope.wait_reason("InvalidConnection")
    bed.kube.apply(secret(scope.ca_secret, scope.home, **{"ca.crt": bed.vault.ca_pem}))
    scope.works()


def test_without_a_bundle_a_system_store_that_does_not_know_the_ca_is_not_enough(
    cluster: Scope, layout: PkiLayout
) -> None:
    """That one which knows it is enough: see ``test_client_certificates``."""
    cluster.store(token=setup_token(cluster.bed.vault, layout.policy))
    cluster.apply(token_reference(cluster), caBundle=None)
    assert "caBundleSecretRef" in cluster.wait_reason("TLSVerificationFailed")


def test_a_path_that_names_the_signing_issuer(cluster: Scope, layout: PkiLayout) -> None:
    vault = cluster.bed.vault
    old = setup_pki(vault, root_mount="pki_two", mount="pki_two_int")
    sign_intermediate(vault, "pki_two", "pki_two_int", "newer", 8760, "Newer Intermediate CA")
    path = f"pki_two_int/issuer/{old.intermediate_issuer}/sign/lab"
    rule = f'path "{path}" {{ capabilities = ["update"] }}'
    vault.call("PUT", "sys/policies/acl/by-issuer", {"policy": rule})
    cluster.store(token=setup_token(vault, "by-issuer"))
    cluster.apply(token_reference(cluster), path="pki_two_int/issuer/nobody/sign/lab")
    assert '"nobody"' in cluster.wait_reason("IssuerNotFound")
    cluster.apply(token_reference(cluster), path=path)
    cluster.wait_ready()
    leaf, intermediate = certificates_of(cluster.issue())
    leaf.verify_directly_issued_by(intermediate)
    assert "Lab Intermediate CA" in leaf.issuer.rfc4514_string()
