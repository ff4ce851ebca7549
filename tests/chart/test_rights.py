"""RBAC is the least that the values ask for: nothing cluster-wide that a namespace or a name would do for."""

from __future__ import annotations

import pytest

from issuer.api.crd import custom_resource_definitions
from testbed.chart import ChartError, is_hook, render
from tests.chart.conftest import FULL, ISSUER, Object, of_kind, rules

AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
OUR_SIGNERS = [
    f"{plural}.vault-issuer.io/*"
    for plural in ("vaultissuers", "vaultclusterissuers", "stepissuers", "stepclusterissuers")
]
# Those of FULL's backend, which the user names.
NAMED_SIGNERS = {"exampleissuers.example.test/*", "exampleclusterissuers.example.test/*"}


def test_no_rule_has_a_wildcard(rendered: list[Object]) -> None:
    for _, rule in rules(rendered):
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_tokens_are_asked_only_by_roles_that_name_service_accounts(rendered: list[Object]) -> None:
    for kind, rule in rules(rendered):
        if any(name.startswith("serviceaccounts") for name in rule["resources"]):
            assert kind == "Role"
            assert rule["resources"] == ["serviceaccounts/token"]
            assert rule["verbs"] == ["create"]
            assert rule["resourceNames"]


def test_secrets_are_never_listed_nor_written(rendered: list[Object]) -> None:
    for _, rule in rules(rendered):
        if "secrets" in rule["resources"]:
            assert rule["verbs"] == ["get"]


def test_signers_are_our_own(rendered: list[Object]) -> None:
    for _, rule in rules(rendered):
        if "signers" in rule["resources"]:
            if rule["verbs"] == ["attest"]:
                assert rule["resourceNames"] == [one for one in OUR_SIGNERS if "cluster" in one]
                continue
            ours, named = rule["resourceNames"][: len(OUR_SIGNERS)], rule["resourceNames"][len(OUR_SIGNERS) :]
            assert ours == OUR_SIGNERS
            assert set(named) <= NAMED_SIGNERS
            assert rule["verbs"] in (["approve"], ["sign"])


def test_no_rule_writes_what_users_own(rendered: list[Object]) -> None:
    """But for the finalizer of revocation, the canary's requests, ConfigMaps of roots and what hooks do,
    writes go to status, Leases and events."""
    harmless = {
        "leases",
        "events",
        "subjectaccessreviews",
        "tokenreviews",
        "signers",
        "serviceaccounts/token",
    }
    for one in of_kind(rendered, "Role", "ClusterRole"):
        if is_hook(one) or one["metadata"]["name"].endswith(
            ("-revocation", "-canary", "-trust", "-trust-bundles", "-use")
        ):
            continue
        if any(label.startswith(AGGREGATE) for label in one["metadata"]["labels"]):
            continue  # people's rights, which nobody of ours is bound to
        for rule in one["rules"]:
            if set(rule["verbs"]) & {"create", "update", "patch", "delete"}:
                wrote = set(rule["resources"]) - harmless
                assert all(name.endswith("/status") for name in wrote)


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"approval": {"enabled": False}}, "vault-issuer-approve"),
        (
            {"certificateSigningRequests": {"enabled": False}},
            "vault-issuer-certificate-signing-requests",
        ),
        ({"certificates": {"enabled": False}}, "vault-issuer-certificates"),
        ({"clusterIssuers": {"enabled": False}}, "vault-issuer-cluster-issuers"),
        ({"crds": {"upgrade": False}}, "vault-issuer-crds"),
        ({"people": {"enabled": False}}, "vault-issuer-view"),
        ({"people": {"enabled": False}}, "vault-issuer-cluster-view"),
        ({"people": {"enabled": False}}, "vault-issuer-edit"),
        ({"people": {"issuers": "none"}}, "vault-issuer-edit"),
    ],
)
def test_what_is_switched_off_has_no_rights(values: Object, gone: str) -> None:
    def named(objects: list[Object]) -> set[str]:
        return {one["metadata"]["name"] for one in of_kind(objects, "Role", "ClusterRole", "RoleBinding")}

    assert gone in named(render())
    assert gone not in named(render(values))


def test_config_maps_of_roots_are_written_by_name() -> None:
    def of_trust(values: Object) -> list[Object]:
        found = of_kind(render(values), "ClusterRole")
        return [
            rule for one in found if one["metadata"]["name"] == "vault-issuer-trust" for rule in one["rules"]
        ]

    assert of_trust({}) == []
    named, made = of_trust({"trustDistribution": {"configMaps": ["trusted-roots", "lab"]}})
    assert named["resourceNames"] == ["trusted-roots", "lab"]
    assert made["verbs"] == ["create"]
    with pytest.raises(ChartError, match="configMaps/0"):
        render({"trustDistribution": {"configMaps": ["kube-root-ca.crt"]}})


def test_revocation_is_off_and_can_be_had_namespace_by_namespace() -> None:
    def bindings(values: Object) -> set[tuple[str, str | None]]:
        found = of_kind(render(values), "RoleBinding", "ClusterRoleBinding")
        return {
            (one["kind"], one["metadata"].get("namespace"))
            for one in found
            if one["metadata"]["name"] == "vault-issuer-revocation-secrets"
        }

    assert bindings({}) == set()
    assert bindings({"revocation": {"enabled": True, "allNamespaces": True}}) == {
        ("ClusterRoleBinding", None)
    }
    for undecided in ({"enabled": True}, {"enabled": True, "namespaces": ["a"], "allNamespaces": True}):
        with pytest.raises(ChartError, match=r"revocation\.allNamespaces"):
            render({"revocation": undecided})
    some = {"enabled": True, "namespaces": ["team-a", "team-b"]}
    assert bindings({"revocation": some}) == {("RoleBinding", "team-a"), ("RoleBinding", "team-b")}


def secrets_of_cluster_issuers(values: Object) -> dict[str, list[str] | None]:
    """Which Secrets each Role of the release's namespace lets be read; None: all of them."""
    return {
        one["metadata"]["name"]: rule.get("resourceNames")
        for one in of_kind(render(values), "Role")
        for rule in one["rules"]
        if rule["resources"] == ["secrets"] and one["metadata"]["namespace"] == "vault-issuer-system"
    }


def test_cluster_issuers_use_secrets_that_are_named() -> None:
    name = "vault-issuer-cluster-issuers"
    usual = ["vault-ca", "vault-client", "vault-login", "vault-login-tls"]
    assert secrets_of_cluster_issuers({}) == {name: usual}
    every = {
        "tokenSecretRef": {"name": "token"},
        "appRole": {
            "path": "",
            "roleIdSecretRef": {"name": "app-role-id", "key": "id"},
            "secretRef": {"name": "app-role", "key": "id"},
        },
        "clientCertificate": {"secretName": "certificate"},
        "kubernetes": {"role": "x", "secretRef": {"name": "jwt"}},
    }
    vault = {
        **ISSUER["vault"],
        "auth": every,
        "caBundleSecretRef": {"name": "ca"},
        "clientCertSecretRef": {"name": "client"},
        "clientKeySecretRef": {"name": "client-key"},
    }
    issuers = [
        {"name": "a", "spec": {"vault": vault}},
        {"name": "b", "spec": ISSUER},
        {
            "name": "c",
            "namespace": "team-a",
            "spec": {"vault": {**vault, "caBundleSecretRef": {"name": "not"}}},
        },
    ]
    named = ["app-role", "app-role-id", "ca", "certificate", "client", "client-key", "jwt", "listed", "token"]
    assert secrets_of_cluster_issuers({"issuers": issuers, "clusterIssuers": {"secrets": ["listed"]}}) == {
        name: named
    }
    none: list[str] | None
    for none in ([], None):  # Helm's null takes a default away
        assert secrets_of_cluster_issuers({"clusterIssuers": {"secrets": none}}) == {}
    assert secrets_of_cluster_issuers({"clusterIssuers": {"secrets": [], "allSecrets": True}}) == {
        "vault-issuer-cluster-issuer-secrets": None
    }


def test_no_secret_and_no_token_is_granted_where_nothing_is_named() -> None:
    nothing = {"clusterIssuers": {"secrets": None, "serviceAccounts": None}}
    (role,) = [
        one
        for one in of_kind(render(nothing), "Role")
        if one["metadata"]["name"] == "vault-issuer-cluster-issuers"
    ]
    assert role["rules"] == []


def test_a_namespace_grants_what_it_names_and_no_more() -> None:
    (role,) = [
        one
        for one in of_kind(render(FULL), "Role")
        if one["metadata"].get("namespace") == "team-a" and not is_hook(one)
    ]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["vault-ca"], "verbs": ["get"]},
        {
            "apiGroups": [""],
            "resources": ["serviceaccounts/token"],
            "resourceNames": ["vault-login"],
            "verbs": ["create"],
        },
    ]


def test_every_binding_is_to_a_service_account_of_ours_or_of_the_policys_users(
    rendered: list[Object],
) -> None:
    accounts = {
        (one["metadata"]["namespace"], one["metadata"]["name"]) for one in of_kind(rendered, "ServiceAccount")
    } | {("vault-issuer-system", "there-already")}
    roles = {(one["kind"], one["metadata"]["name"]) for one in of_kind(rendered, "Role", "ClusterRole")}
    for one in of_kind(rendered, "RoleBinding", "ClusterRoleBinding"):
        assert (one["roleRef"]["kind"], one["roleRef"]["name"]) in roles
        if not one["metadata"]["name"].endswith("-use"):
            (subject,) = one["subjects"]
            assert (subject["namespace"], subject["name"]) in accounts


def test_hooks_have_accounts_of_their_own_and_only_what_they_do() -> None:
    def granted(name: str) -> list[Object]:
        objects = render({"revocation": {"enabled": True, "allNamespaces": True}})
        return [
            rule
            for one in of_kind(objects, "ClusterRole", "Role")
            if is_hook(one) and one["metadata"]["name"] == name
            for rule in one["rules"]
        ]

    (crds,) = granted("vault-issuer-crds")
    assert crds["resources"] == ["customresourcedefinitions"]
    assert crds["verbs"] == ["get", "patch"]
    assert set(crds["resourceNames"]) == {
        one["metadata"]["name"] for one in custom_resource_definitions().values()
    }
    (release,) = granted("vault-issuer-release")
    assert release["resources"] == ["certificaterequests"]
    assert release["verbs"] == ["get", "list", "update"]
    test = granted("vault-issuer-test")
    assert [(one["resources"], one["verbs"]) for one in test] == [(["leases"], ["get"]), (["pods"], ["get"])]


def test_peoples_rights_are_added_to_kubernetes_own_roles_and_bound_to_nobody() -> None:
    def added(values: Object) -> dict[str, set[str]]:
        return {
            one["metadata"]["name"]: {
                label.removeprefix(AGGREGATE)
                for label in one["metadata"]["labels"]
                if label.startswith(AGGREGATE)
            }
            for one in of_kind(render(values), "ClusterRole")
            if one["metadata"]["name"].endswith(("-view", "-edit"))
        }

    assert added({}) == {
        "vault-issuer-view": {"view", "edit", "admin", "cluster-reader"},
        "vault-issuer-cluster-view": {"cluster-reader"},
        "vault-issuer-edit": {"edit", "admin"},
    }
    assert added({"people": {"issuers": "admin"}})["vault-issuer-edit"] == {"admin"}
    bound = {one["roleRef"]["name"] for one in of_kind(render(FULL), "ClusterRoleBinding", "RoleBinding")}
    assert not bound & set(added({}))


def test_people_read_the_issuers_of_another_controller_where_they_are_adopted() -> None:
    def rights(values: Object) -> dict[str, set[str]]:
        return {
            resource: {label.removeprefix(AGGREGATE) for label in one["metadata"]["labels"]}
            for one in of_kind(render(values), "ClusterRole")
            if one["metadata"]["name"].startswith("vault-issuer-adopt-")
            for rule in one["rules"]
            for resource in rule["resources"]
        }

    assert rights({}) == rights({"adopt": {"stepIssuer": True}, "people": {"enabled": False}}) == {}
    adopting = rights({"adopt": {"stepIssuer": True}})
    assert adopting["stepissuers"] >= {"view", "edit", "admin", "cluster-reader"}
    assert adopting["stepclusterissuers"] & {"view", "edit", "admin", "cluster-reader"} == {"cluster-reader"}


@pytest.mark.parametrize("signs", [True, False])
def test_adopted_signers_may_be_signed_for_where_ours_may(signs: bool) -> None:
    """Never approved for: that is another approver's."""
    found = of_kind(
        render({"adopt": {"stepIssuer": True}, "certificateSigningRequests": {"enabled": signs}}),
        "ClusterRole",
    )
    rights = [
        (rule["verbs"], rule["resourceNames"])
        for one in found
        for rule in one["rules"]
        if "certmanager.step.sm" in str(rule.get("resourceNames"))
    ]
    names = [f"{plural}.certmanager.step.sm/*" for plural in ("stepissuers", "stepclusterissuers")]
    assert rights == ([(["sign"], names)] if signs else [])


def test_the_admission_policy_reads_the_controllers_account_from_its_binding() -> None:
    values = {"admissionPolicy": {"enabled": True}, "serviceAccount": {"create": False, "name": "signer"}}
    (policy,) = of_kind(render(values), "ValidatingAdmissionPolicy")
    (condition,) = policy["spec"]["matchConditions"]
    assert "params.subjects" in condition["expression"]
    assert policy["spec"]["failurePolicy"] == "Fail"
    (binding,) = of_kind(render(values), "ValidatingAdmissionPolicyBinding")
    found = binding["spec"]
    assert (found["policyName"], found["validationActions"]) == (policy["metadata"]["name"], ["Deny"])
    (rights,) = [
        one
        for one in of_kind(render(values), policy["spec"]["paramKind"]["kind"])
        if one["metadata"]["name"] == found["paramRef"]["name"]
    ]
    account = {"kind": "ServiceAccount", "name": "signer", "namespace": "vault-issuer-system"}
    assert rights["subjects"] == [account]
    assert not of_kind(render(), "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
