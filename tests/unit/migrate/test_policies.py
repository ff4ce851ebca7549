"""approver-policy's policies and the RBAC around them."""

from __future__ import annotations

import pytest

from issuer.policy.compiled import compile_policy
from tests.unit.migrate.conftest import (
    Migrate,
    Object,
    binding,
    certificate,
    issuer,
    peer_policy,
    role,
    use_rule,
)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {"name": "vault", "kind": "Issuer", "group": "cert-manager.io"},
            {"name": "vault", "kind": "VaultIssuer", "group": "vault-issuer.io"},
        ),
        ({"name": "v*"}, {"name": "v*"}),
        ({"kind": "*", "group": "*"}, {"kind": "*", "group": "vault-issuer.io"}),
        ({"kind": "*Issuer", "group": "cert-*"}, {"kind": "Vault*", "group": "vault-issuer.io"}),
        ({"kind": "Iss*"}, {"kind": "VaultIssuer"}),
        ({"kind": "*s*r"}, {"kind": "*s*r"}),
        ({"group": "vault-issuer.io", "kind": "VaultIssuer"}, None),
        ({"kind": "Cluster*"}, None),
        ({"name": "letsencrypt"}, None),
        ({"group": "example.com"}, None),
        ({"kind": ""}, None),
    ],
)
def test_selectors_name_our_issuers_or_the_policy_is_left_alone(
    migrate: Migrate, old: Object, new: Object | None
) -> None:
    done = migrate(issuer(), peer_policy(reference=old))
    if new is None:
        assert done.step("CertificateRequestPolicy")["action"] == "leave"
        assert "CertificateRequestPolicy" not in done.kinds()
    else:
        assert done.made("CertificateRequestPolicy")["spec"]["selector"]["issuerRef"] == new


def test_a_pattern_for_cluster_issuers_alone_stays_one(migrate: Migrate) -> None:
    done = migrate(issuer(namespace=""), peer_policy(reference={"kind": "Cluster*"}))
    reference = done.made("CertificateRequestPolicy")["spec"]["selector"]["issuerRef"]
    assert reference == {"kind": "VaultClusterIssuer"}


def test_the_rest_of_a_policy_is_carried_over_as_it_is(migrate: Migrate) -> None:
    old = peer_policy(constraints={"maxDuration": "24h"})
    old["spec"]["selector"]["namespace"] = {"matchNames": ["team-*"]}
    new = migrate(issuer(), old, role(use_rule("web")), binding()).made("CertificateRequestPolicy")
    assert new["apiVersion"] == "vault-issuer.io/v1alpha1"
    assert new["metadata"] == {"name": "web"}
    assert new["spec"] == old["spec"]
    compile_policy("web", new["spec"])


def test_without_issuers_every_policy_about_cert_managers_is_carried_over(migrate: Migrate) -> None:
    done = migrate(peer_policy("a", {"name": "any"}), peer_policy("b", {"group": "example.com"}))
    assert [one["metadata"]["name"] for one in done.plan["create"]] == ["a"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"plugins": {"rego": {"values": {}}}}, "spec.plugins"),
        ({"allowed": {"futureNames": {"values": ["x"]}}}, "spec.allowed.futureNames"),
        ({"allowed": {"dnsNames": {"validations": [{"rule": "nonsense("}]}}}, "validations[0]"),
        ({"constraints": {"maxDuration": "a day"}}, "spec.constraints.maxDuration"),
    ],
)
def test_a_policy_that_can_not_be_carried_over_opens_nothing(
    migrate: Migrate, change: Object, where: str
) -> None:
    done = migrate(issuer(), peer_policy(**change), certificate({"name": "vault"}))
    assert done.code == 1
    assert where in done.notes("error")
    assert "CertificateRequestPolicy" not in done.kinds(), "neither without the field nor a starter"
    assert "no policy would select it" in done.notes("to do")


def test_a_policy_whose_selector_can_not_be_read_opens_nothing_either(migrate: Migrate) -> None:
    old = peer_policy()
    old["spec"]["selector"] = {"issuerRef": "vault"}
    done = migrate(issuer(), old)
    assert done.code == 1
    assert "CertificateRequestPolicy" not in done.kinds()


def test_differences_that_a_policy_can_meet_are_told(migrate: Migrate) -> None:
    rules = [{"rule": "self.indexOf('x') < 3"}]
    old = peer_policy(
        allowed={"dnsNames": {"validations": rules}, "uris": {"values": ["*"]}},
        constraints={"privateKey": {"algorithm": "RSA"}},
    )
    told = migrate(issuer(), old).notes("note")
    for name in ("other-spellings", "function-edges", "uri-as-written", "other-keys", "long-values"):
        assert f"({name})" in told
    assert "decided differently" not in migrate(issuer(), peer_policy()).notes()


def test_who_may_use_a_policy_may_use_ours_by_the_bindings_there_are(migrate: Migrate) -> None:
    old = role(use_rule("web", "unrelated"), {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]})
    done = migrate(issuer(), peer_policy(), old, binding())
    assert done.code == 0
    rules = done.changed("ClusterRole")["rules"]
    assert rules == [*old["rules"], use_rule("web", "unrelated", group="vault-issuer.io")]
    assert done.plan["undo"] == [old]


def test_a_right_to_administer_policies_gives_none_to_administer_issuers(migrate: Migrate) -> None:
    old = role({"apiGroups": ["policy.cert-manager.io"], "resources": ["*"], "verbs": ["*"]})
    added = migrate(issuer(), peer_policy(), old, binding()).changed("ClusterRole")["rules"][1]
    assert added["resources"] == ["certificaterequestpolicies"]


@pytest.mark.parametrize(
    "rule",
    [
        use_rule("other"),
        {**use_rule(), "verbs": ["get"]},
        {**use_rule(), "apiGroups": ["*"]},
        {**use_rule(), "apiGroups": ["policy.cert-manager.io", "vault-issuer.io"]},
    ],
)
def test_a_role_that_grants_ours_already_or_nothing_of_it_stays(migrate: Migrate, rule: Object) -> None:
    assert migrate(issuer(), peer_policy(), role(rule), binding()).plan["change"] == []


def test_a_second_run_changes_no_role_again(migrate: Migrate) -> None:
    first = migrate(issuer(), peer_policy(), role(use_rule("web")), binding()).changed("ClusterRole")
    assert migrate(issuer(), peer_policy(), first, binding()).plan["change"] == []


@pytest.mark.parametrize(
    ("usages", "told"),
    [
        (["digital signature", "server auth"], "without client auth"),
        (["email protection"], "without client auth and server auth"),
        (["server auth", "client auth"], None),
        (["digital signature"], None),
    ],
)
def test_usages_that_vault_roles_add_beyond_a_policy_are_told(
    migrate: Migrate, usages: list[str], told: str | None
) -> None:
    allowed = {"dnsNames": {"values": ["*.lab.example"]}, "usages": usages}
    notes = migrate(issuer(), peer_policy(allowed=allowed)).notes("note")
    assert ("server_flag" in notes) is (told is not None)
    assert (told or "") in notes


def test_a_policy_that_nobody_may_use_is_told(migrate: Migrate) -> None:
    done = migrate(issuer(), peer_policy(), role(use_rule("web")))
    assert done.code == 3
    assert 'no role and binding that grant use of "web" were read' in done.notes("to do")


def test_an_aggregated_role_is_told_as_the_server_would_put_it_back(migrate: Migrate) -> None:
    aggregated = role(use_rule("web"), aggregationRule={"clusterRoleSelectors": [{}]})
    done = migrate(issuer(), peer_policy(), aggregated, binding())
    assert done.plan["change"] == []
    assert "aggregationRule" in done.notes("to do")


def test_a_role_that_helm_keeps_says_so(migrate: Migrate) -> None:
    old = role(use_rule("web"))
    old["metadata"]["labels"] = {"app.kubernetes.io/managed-by": "Helm"}
    done = migrate(issuer(), peer_policy(), old, binding())
    assert done.changed("ClusterRole")["metadata"] == old["metadata"], "what is there keeps its labels"
    assert "kept by Helm" in done.notes("to do")


def test_rights_on_signers(migrate: Migrate) -> None:
    def signers(group: str, verb: str, *names: str) -> Object:
        return {"apiGroups": [group], "resources": ["signers"], "verbs": [verb], "resourceNames": list(names)}

    csr = "certificates.k8s.io"
    done = migrate(
        issuer(),
        role(signers(csr, "approve", "issuers.cert-manager.io/team-a.vault", "issuers.cert-manager.io/b.x")),
        role(signers(csr, "sign", "issuers.cert-manager.io/*"), name="signs"),
        role(signers("cert-manager.io", "approve", "issuers.cert-manager.io/*"), name="approves"),
    )
    added = done.changed("ClusterRole", "use-web")["rules"][1]
    assert added == signers(csr, "approve", "vaultissuers.vault-issuer.io/team-a.vault")
    assert len(done.plan["change"]) == 1
    assert "stays; ours is in the controller's own RBAC" in done.notes()
    assert "vault-issuer decides on its own" in done.notes()


@pytest.mark.parametrize(
    ("names", "kind", "carried"),
    [
        (["vault"], "Role", True),
        (["*"], "Role", True),
        ([], "ClusterRole", True),
        (["other"], "Role", False),
    ],
)
def test_who_may_reference_an_issuers_signer_may_reference_ours(
    migrate: Migrate, names: list[str], kind: str, carried: bool
) -> None:
    rule: Object = {"apiGroups": ["cert-manager.io"], "resources": ["signers"], "verbs": ["reference"]}
    rule |= {"resourceNames": names} if names else {}
    done = migrate(issuer(), role(rule, kind=kind))
    if carried:
        assert done.changed(kind)["rules"] == [rule, {**rule, "apiGroups": ["vault-issuer.io"]}]
    else:
        assert done.plan["change"] == []


def test_a_certificate_that_our_policies_would_deny_is_told_before(migrate: Migrate) -> None:
    done = migrate(
        issuer(),
        peer_policy(),
        role(use_rule("web")),
        binding(),
        certificate({"name": "vault"}, dnsNames=["www.elsewhere.example"], usages=["server auth"]),
        certificate({"name": "vault"}, "fine", usages=["server auth"]),
    )
    assert done.code == 3
    assert done.step("Certificate team-a/web")["notes"][0]["text"].startswith(
        "no policy would allow it: spec.allowed.dnsNames"
    )
    assert done.step("Certificate team-a/fine")["notes"] == []


def test_labels_of_namespaces_count_where_they_were_read(migrate: Migrate) -> None:
    old = peer_policy()
    old["spec"]["selector"]["namespace"] = {"matchLabels": {"pki": "on"}}
    objects = [
        issuer(),
        old,
        role(use_rule("web")),
        binding(),
        certificate({"name": "vault"}, usages=["server auth"]),
    ]

    def space(**labels: str) -> Object:
        return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a", "labels": labels}}

    assert "labels were not read" in migrate(*objects).notes("note")
    assert migrate(*objects, space(pki="on")).code == 0
    assert "no policy would select it" in migrate(*objects, space()).notes("to do")
