"""Issuers, what their logins need, and starter policies."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.api.policy import PolicySpec
from tests.unit.migrate.conftest import Migrate, Object, certificate, issuer, peer_policy

KUBERNETES: Object = {"kubernetes": {"role": "issuer", "serviceAccountRef": {"name": "login"}}}
APP_ROLE: Object = {
    "appRole": {"path": "approle", "roleId": "id", "secretRef": {"name": "approle", "key": "secretId"}}
}
CLIENT_CERTIFICATE: Object = {"clientCertificate": {"mountPath": "/v1/auth/cert", "secretName": "login-tls"}}
AWS: Object = {
    "aws": {"role": "r", "iamRoleArn": "arn:aws:iam::1:role/r", "serviceAccountRef": {"name": "login"}}
}


def rules(migrated: Any, name: str) -> dict[str, list[str]]:
    """What a Role grants: names by resource."""
    return {rule["resources"][0]: rule["resourceNames"] for rule in migrated.made("Role", name)["rules"]}


@pytest.mark.parametrize(
    ("auth", "needs"),
    [
        ({"tokenSecretRef": {"name": "t", "key": "token"}}, {"secrets": ["t"]}),
        (APP_ROLE, {"secrets": ["approle"]}),
        (KUBERNETES, {"serviceaccounts/token": ["login"]}),
        (CLIENT_CERTIFICATE, {"secrets": ["login-tls"]}),
        (AWS, {"serviceaccounts/token": ["login"]}),
        ({**APP_ROLE, **KUBERNETES}, {"secrets": ["approle"]}),
    ],
)
def test_an_issuer_moves_with_the_least_rights_that_its_login_needs(
    migrate: Migrate, auth: Object, needs: dict[str, list[str]]
) -> None:
    old = issuer(auth=auth)
    done = migrate(old)
    new = done.made("VaultIssuer")
    assert done.code == 0
    assert new["apiVersion"] == "vault-issuer.io/v1alpha1"
    assert new["spec"] == old["spec"]
    assert new["metadata"] == {"name": "vault", "namespace": "team-a"}
    VaultIssuerSpec.parse(new["spec"], strict=True)
    assert rules(done, "vault-issuer-access-vault") == needs
    assert done.made("Role", "vault-issuer-access-vault")["metadata"]["namespace"] == "team-a"


@pytest.mark.parametrize(
    ("vault", "level", "told"),
    [
        ({"server": "http://127.0.0.1:8200"}, "note", "VaultIssuers may use 127.0.0.1:8200 only where it is"),
        ({"server": "https://localhost:8200"}, "note", "VaultIssuers may use localhost:8200 only"),
        (
            {"auth": {"kubernetes": {"role": "r", "secretRef": {"name": "sa", "key": "token"}}}},
            "note",
            "kubernetes.io/service-account-token, it is no credential",
        ),
        (
            {"auth": {"kubernetes": {"role": "r", "serviceAccountRef": {
                "name": "login", "audiences": ["vault://team-a/vault", "vault://prod/vault"]}}}},
            "to do",
            "vault://prod/vault is another issuer's",
        ),
        (
            {"auth": {"kubernetes": {"role": "r", "serviceAccountRef": {
                "name": "login", "audiences": ["https://kubernetes.default.svc"]}}}},
            "to do",
            "looks like the API server's",
        ),
    ],
)  # fmt: skip
def test_what_a_namespaces_issuer_may_not_do_any_more_is_told_before_it_moves(
    migrate: Migrate, vault: Object, level: str, told: str
) -> None:
    done = migrate(issuer(**vault))
    assert done.code == (3 if level == "to do" else 0)
    assert told in done.notes(level)
    assert told not in migrate(issuer(namespace="", **vault)).notes()


def test_the_servers_of_the_namespaces_issuers_are_named_for_the_list(migrate: Migrate) -> None:
    notes = migrate(issuer(server="https://[fd00::1]:8200"), issuer(namespace="")).notes("note")
    assert "issuers of namespaces use [fd00::1]:8200: list these" in notes
    assert "issuers of namespaces use" not in migrate(issuer(namespace="")).notes()


def test_secrets_of_tls_are_granted_too(migrate: Migrate) -> None:
    tls: Object = {
        "caBundleSecretRef": {"name": "ca"},
        "clientCertSecretRef": {"name": "client"},
        "clientKeySecretRef": {"name": "client"},
    }
    done = migrate(issuer(**tls))
    assert rules(done, "vault-issuer-access-vault") == {"secrets": ["ca", "client", "vault-token"]}


def test_a_cluster_issuer_says_what_has_to_move_to_the_other_namespace(migrate: Migrate) -> None:
    done = migrate(issuer(namespace="", auth=KUBERNETES, caBundleSecretRef={"name": "vault-ca"}))
    assert done.code == 3
    assert done.made("ServiceAccount")["metadata"] == {"name": "login", "namespace": "vault-issuer-system"}
    assert done.made("Role")["metadata"]["namespace"] == "vault-issuer-system"
    todo = done.notes("to do")
    assert 'copy the Secret "cert-manager/vault-ca" to namespace "vault-issuer-system"' in todo
    assert 'add "vault-issuer-system" to bound_service_account_namespaces of the role "issuer"' in todo
    assert "(vault://vault and the server's address)" in done.notes("note")


def test_where_both_use_one_namespace_nothing_has_to_move(migrate: Migrate) -> None:
    done = migrate(
        issuer(namespace="", auth=KUBERNETES), args=("--cluster-resource-namespace", "cert-manager")
    )
    assert done.code == 0
    assert "ServiceAccount" not in done.kinds()
    assert done.made("Role")["metadata"]["namespace"] == "cert-manager"


def test_a_command_to_paste_holds_no_name_that_a_shell_would_read(migrate: Migrate) -> None:
    auth = {"tokenSecretRef": {"name": "x; rm -rf ~", "key": "token"}}
    assert "kubectl create" not in migrate(issuer(namespace="", auth=auth)).notes()


def test_rights_go_to_the_controller_that_is_named(migrate: Migrate) -> None:
    done = migrate(issuer(), args=("--controller", "pki/signer"))
    subject = {"kind": "ServiceAccount", "namespace": "pki", "name": "signer"}
    assert done.made("RoleBinding", "vault-issuer-access-vault")["subjects"] == [subject]
    assert done.made("ClusterRoleBinding")["subjects"] == [subject]
    assert done.made("ClusterRole")["rules"][0]["resourceNames"] == [
        "vaultissuers.vault-issuer.io/team-a.vault"
    ]


def test_an_unknown_field_is_left_out_and_told(migrate: Migrate) -> None:
    done = migrate(issuer(serverFingerprint="x", server_name="y"))
    assert done.code == 3
    lost = done.notes("lost")
    assert "spec.vault.serverFingerprint" in lost
    assert "spec.vault.server_name" in lost, "Python's name of a field is none of the API's"
    assert set(done.made("VaultIssuer")["spec"]["vault"]) == {"server", "path", "auth"}


@pytest.mark.parametrize(
    ("vault", "where"),
    [
        ({"path": "pki/root/sign-intermediate"}, "spec.certificateAuthority.path"),
        ({"path": "v1/pki/sign/lab"}, "spec.vault.path"),
        ({"server": "vault.example.com"}, "spec.vault.server"),
        ({"serverName": "a..b"}, "spec.vault.serverName"),
        ({"caBundle": "not base64!"}, "spec.vault.caBundle"),
        ({"auth": {}}, "spec.vault.auth"),
        ({"auth": {"kubernetes": {"role": "r"}}}, "spec.vault.auth.kubernetes"),
        (
            {"auth": {"kubernetes": {**KUBERNETES["kubernetes"], "mountPath": "/v1/ns/auth/x"}}},
            "spec.vault.auth.kubernetes.mountPath",
        ),
    ],
)
def test_an_issuer_that_could_not_sign_is_refused_with_the_field_and_what_uses_it_stays(
    migrate: Migrate, vault: Object, where: str
) -> None:
    old = issuer()
    old["spec"]["vault"] |= vault
    done = migrate(old, certificate({"name": "vault"}))
    assert done.code == 1
    assert where in done.notes("error")
    assert done.plan["create"] == []
    assert done.plan["change"] == []


def test_a_misspelt_field_is_named_beside_the_one_that_is_missing_and_the_file_too(migrate: Migrate) -> None:
    old = issuer()
    old["spec"]["vault"]["sever"] = old["spec"]["vault"].pop("server")
    errors = migrate(old).notes("error")
    assert 'spec.vault.sever: vault-issuer has no such field (did you mean "server"?)' in errors
    assert "spec.vault.server: is required" in errors
    table = migrate(issuer("b"), old, output=None).stdout
    assert "Issuer team-a/vault (" in table
    assert "input.yaml, document 2)" in table


@pytest.mark.parametrize(
    ("auth", "path", "meant"),
    [
        (
            {"kubernetes": {"role": "r", "serviceAccountref": {"name": "x"}}},
            "kubernetes",
            "serviceAccountRef",
        ),
        ({"appRole": {"rolId": "x", "secretRef": {"name": "x", "key": "y"}}}, "appRole", "roleId"),
    ],
)
def test_a_misspelt_field_is_known_at_its_own_place(
    migrate: Migrate, auth: Object, path: str, meant: str
) -> None:
    (wrong,) = [key for key in auth[path] if key.lower() in (meant.lower(), "rolid")]
    told = f'spec.vault.auth.{path}.{wrong}: vault-issuer has no such field (did you mean "{meant}"?)'
    assert told in migrate(issuer(auth=auth)).notes("error")


def test_a_login_that_needs_no_object_but_a_hand_is_to_do_in_the_plan(migrate: Migrate) -> None:
    aws: Object = {"aws": {"role": "r", "region": "eu-west-1"}}
    done = migrate(issuer(auth=aws))
    actions = [step["action"] for step in done.plan["steps"] if step["from"] == "Issuer team-a/vault"]
    assert actions == ["create", "to do"]
    assert done.code == 3


def test_vaults_role_comes_with_the_command_that_adds_the_namespace(migrate: Migrate) -> None:
    one = issuer(namespace="", auth=KUBERNETES)
    done = migrate(one)
    command = done.notes("to do").partition("way back): ")[2]
    assert command.startswith(
        "vault write auth/kubernetes/role/issuer bound_service_account_namespaces=$(vault read "
    )
    assert '"vault-issuer-system"' in command
    inside = migrate({**one, "spec": {"vault": {**one["spec"]["vault"], "namespace": "team/a"}}}).notes(
        "to do"
    )
    assert "vault write -namespace=team/a auth/" in inside
    evil = {"kubernetes": {"role": "r; rm -rf ~", "serviceAccountRef": {"name": "login"}}}
    assert "vault write" not in migrate(issuer(namespace="", auth=evil)).notes()


@pytest.mark.parametrize("kind", ["acme", "ca", "selfSigned", "venafi"])
def test_issuers_of_other_types_are_left_alone_and_so_are_their_certificates(
    migrate: Migrate, kind: str
) -> None:
    other = issuer("other")
    other["spec"] = {kind: {}}
    done = migrate(issuer(), other, certificate({"name": "other"}))
    assert done.step("Issuer team-a/other")["action"] == "leave"
    assert kind in done.notes()
    assert done.plan["change"] == []
    assert done.code == 0


def test_labels_and_annotations_go_along_but_not_the_marks_of_tools_and_servers(migrate: Migrate) -> None:
    old = issuer()
    old["metadata"] |= {
        "labels": {"team": "a", "app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "x"},
        "annotations": {
            "note": "keep",
            "meta.helm.sh/release-name": "x",
            "argocd.argoproj.io/tracking-id": "x",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
        },
        "ownerReferences": [{"kind": "Platform", "name": "p", "apiVersion": "v1", "uid": "u"}],
        "finalizers": ["example.com/hold"],
        "uid": "u",
        "resourceVersion": "7",
        "managedFields": [{}],
    }
    old["status"] = {"conditions": []}
    done = migrate(old)
    new = done.made("VaultIssuer")
    assert new["metadata"] == {
        "name": "vault",
        "namespace": "team-a",
        "labels": {"team": "a"},
        "annotations": {"note": "keep"},
    }
    assert "status" not in new
    assert "belongs to Platform p" in done.notes("to do")
    assert "Argo CD and Helm" in done.notes("to do")
    assert "example.com/hold" in done.notes()


def test_a_starter_allows_what_the_vault_role_allows_from_this_issuer_alone(migrate: Migrate) -> None:
    done = migrate(
        issuer(), certificate({"name": "vault"}, otherNames=[{"oid": "1.2.3.4", "utf8Value": "x"}])
    )
    policy = done.made("CertificateRequestPolicy")
    PolicySpec.parse(policy["spec"], strict=True)
    assert policy["spec"]["selector"] == {
        "issuerRef": {"group": "vault-issuer.io", "kind": "VaultIssuer", "name": "vault"},
        "namespace": {"matchNames": ["team-a"]},
    }
    assert "isCA" not in policy["spec"]["allowed"]
    assert "1.2.3.4" in [one["oid"] for one in policy["spec"]["allowed"]["otherNames"]]
    bound = done.made("RoleBinding", "vault-issuer:use:starter.team-a.vault")
    assert bound["metadata"]["namespace"] == "team-a"
    assert done.code == 0, "its Certificate is judged by it, and would be approved"


def test_who_made_requests_may_use_the_starter_too(migrate: Migrate) -> None:
    def request(name: str, username: str, issuer_name: str = "vault") -> Object:
        spec = {"issuerRef": {"name": issuer_name}, "username": username}
        metadata = {"name": name, "namespace": "team-a"}
        api = "cert-manager.io/v1"
        return {"apiVersion": api, "kind": "CertificateRequest", "metadata": metadata, "spec": spec}

    done = migrate(
        issuer(),
        request("a", "system:serviceaccount:cert-manager:cert-manager"),
        request("b", "system:serviceaccount:csi:driver"),
        request("c", "jane"),
        request("d", "joe", "another"),
    )
    names = [
        one["name"] for one in done.made("RoleBinding", "vault-issuer:use:starter.team-a.vault")["subjects"]
    ]
    assert names == ["cert-manager", "driver", "jane"]


@pytest.mark.parametrize(("starter", "opened"), [("auto", False), ("always", True), ("never", False)])
def test_where_approver_policy_rules_nothing_opens_by_itself(
    migrate: Migrate, starter: str, opened: bool
) -> None:
    other = peer_policy(reference={"name": "another"})
    done = migrate(issuer(), other, args=("--starter", starter))
    assert ("CertificateRequestPolicy" in done.kinds()) is opened
    assert ("no policy selects VaultIssuer team-a/vault" in done.notes("to do")) is not opened


def test_with_sign_verbatim_the_starter_is_the_only_guard_and_that_is_told(migrate: Migrate) -> None:
    done = migrate(issuer(path="pki_int/sign-verbatim/lab"))
    assert done.code == 3
    assert "tighten it before you switch" in done.notes("to do")


def test_what_is_ours_already_stays_as_it_is(migrate: Migrate) -> None:
    first = migrate(issuer()).plan["create"]
    for one in first:
        if one["kind"] == "CertificateRequestPolicy":
            one["spec"]["allowed"]["dnsNames"]["values"] = ["*.tight.example"]
    again = migrate(issuer(), *first)
    assert again.plan["create"] == []
    assert again.code == 0
    changed = [{**one, "rules": []} if one["kind"] == "Role" else one for one in first]
    assert "another content" in migrate(issuer(), *changed).notes("to do")


def test_ours_with_another_spec_is_not_overwritten(migrate: Migrate) -> None:
    first = migrate(issuer()).plan["create"]
    done = migrate(issuer(path="pki_int/sign/other"), *first)
    assert done.plan["create"] == []
    assert "another spec.vault" in done.notes()


def test_rights_come_before_policies_and_policies_before_issuers(migrate: Migrate) -> None:
    kinds = migrate(issuer(), issuer("c", "", KUBERNETES)).kinds()
    assert kinds[0] == "ServiceAccount"
    assert kinds[-2:] == ["VaultClusterIssuer", "VaultIssuer"]
    assert kinds.index("Role") < kinds.index("RoleBinding") < kinds.index("CertificateRequestPolicy")


def test_nulls_mean_absent_as_for_the_api_server(migrate: Migrate) -> None:
    old = issuer()
    old["spec"]["vault"]["namespace"] = None
    assert "namespace" not in migrate(old).made("VaultIssuer")["spec"]["vault"]


def test_an_old_api_version_is_refused(migrate: Migrate) -> None:
    done = migrate({**issuer(), "apiVersion": "cert-manager.io/v1alpha2"})
    assert done.code == 1
    assert "cert-manager.io/v1alpha2 is not cert-manager.io/v1" in done.notes("error")


def test_aws_by_the_pods_identity_says_that_ours_needs_it(migrate: Migrate) -> None:
    done = migrate(issuer(auth={"aws": {"role": "r"}}))
    assert done.code == 3
    assert "AWS identity of the pod" in done.notes("to do")
