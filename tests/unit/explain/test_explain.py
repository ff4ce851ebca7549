"""`policy explain`: the decision, its exit code, and what it tells people to do."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.unit.explain.conftest import Build, Folder

CERT_MANAGER = {"kind": "ServiceAccount", "namespace": "cert-manager", "name": "cert-manager"}


def pasted(output: str) -> list[dict[str, Any]]:
    """The first YAML that the output shows for pasting."""
    lines = output.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(("apiVersion:", "spec:")))
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return list(yaml.safe_load_all("\n".join(lines[start:end])))


def test_a_request_that_a_usable_policy_allows_is_approved(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request, policies = folder.write("r.yaml", certificate()), folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 0
    assert 'Approved by the policy "web"' in result.text
    assert "What to do" not in result.text


def test_json_has_the_decision_policy_by_policy(folder: Folder, certificate: Build, policy: Build) -> None:
    other = policy("other", selector={"issuerRef": {"name": "prod"}})
    request = folder.write("r.yaml", certificate(dnsNames=["a.test"]))
    policies = folder.write("p.yaml", policy(), other)
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "*", "-o", "json")
    assert result.code == 1
    found = result.json()
    message = found["policies"][1]["violations"][0].pop("message")
    assert "a.test" in message
    assert found == {
        "decision": "Denied",
        "policy": None,
        "policies": [
            {"name": "other", "applies": False, "reason": "selector", "violations": []},
            {
                "name": "web",
                "applies": True,
                "reason": "",
                "violations": [{"field": "spec.allowed.dnsNames.values"}],
            },
        ],
    }


def test_json_of_several_requests_is_a_list_and_the_worst_decides(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(), certificate(dnsNames=["a.test"]))
    policies = folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web", "-o", "json")
    assert result.code == 1
    assert [one["decision"] for one in result.json()] == ["Approved", "Denied"]
    assert {one["request"] for one in result.json()} == {"team-a/web-1"}


# The three mistakes of seed 004, in their order.


def test_without_any_policy_it_prints_one_that_approves(folder: Folder, certificate: Build) -> None:
    request = folder.write("r.yaml", certificate(subject={"organizations": ["Lab"]}, usages=["server auth"]))
    result = folder.run("explain", "-f", request)
    assert result.code == 2
    assert "there is no policy, so the request waits" in result.text
    policy, role, binding = pasted(result.stdout)
    assert role["rules"][0]["resourceNames"] == [policy["metadata"]["name"]]
    assert binding["metadata"]["namespace"] == "team-a"
    assert binding["subjects"] == [CERT_MANAGER]
    # What it tells people to apply is enough.
    starter = folder.write("p.yaml", policy)
    again = folder.run("explain", "-f", request, "--policies", starter, "--allow-use", "*")
    assert again.code == 0, again.stdout


def test_without_a_binding_it_prints_the_one_for_this_requester(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request, policies = folder.write("r.yaml", certificate()), folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies)
    assert result.code == 2
    assert 'has no "use" right on it' in result.text
    assert "--allow-use web" in result.text
    role, binding = pasted(result.stdout)
    assert role["kind"] == "ClusterRole"
    assert role["rules"] == [
        {
            "apiGroups": ["vault-issuer.io"],
            "resources": ["certificaterequestpolicies"],
            "verbs": ["use"],
            "resourceNames": ["web"],
        }
    ]
    assert binding["kind"] == "RoleBinding"
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [CERT_MANAGER]


def test_an_organization_that_is_not_allowed_gets_the_snippet_to_add(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(subject={"organizations": ["Lab"]}))
    policies = folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 1
    assert "spec.allowed.subject.organizations" in result.text
    assert pasted(result.stdout) == [
        {"spec": {"allowed": {"subject": {"organizations": {"values": ["Lab"]}}}}}
    ]


def test_the_snippet_keeps_what_is_allowed_and_adds_only_what_is_not(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(dnsNames=["www.lab.example", "www.other.example"]))
    policies = folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    added = pasted(result.stdout)[0]["spec"]["allowed"]["dnsNames"]["values"]
    assert added == ["*.lab.example", "www.other.example"]


@pytest.mark.parametrize("policies", [True, False], ids=["a policy", "no policy"])
def test_a_name_that_no_policy_can_allow_is_told_once_and_first(
    folder: Folder, certificate: Build, policy: Build, policies: bool
) -> None:
    request = folder.write("r.yaml", certificate(dnsNames=["a.b.test", "x..y.test"]))
    given = ("--policies", folder.write("p.yaml", policy()), "--allow-use", "*") if policies else ()
    result = folder.run("explain", "-f", request, *given)
    advice = " ".join(result.text.partition("What to do")[2].split())
    assert advice.startswith('- Change the request first: the DNS name "x..y.test" has an empty label')
    assert advice.count("x..y.test") == 1
    assert "InvalidName" in advice


def test_a_pattern_that_others_need_is_not_replaced(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(commonName="other"))
    allowed = {"commonName": {"value": "*.lab.example"}, "dnsNames": {"values": ["*.lab.example"]}}
    policies = folder.write("p.yaml", policy(allowed=allowed))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert "It takes one pattern: widen it" in result.text
    assert "value: other" not in result.text


def test_where_one_denies_the_binding_of_another_that_would_approve_comes_first(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate())
    policies = folder.write("p.yaml", policy("strict", allowed={}), policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "strict")
    assert result.code == 1
    assert 'The policy "web" would approve this request' in result.text
    assert pasted(result.stdout)[0]["rules"][0]["resourceNames"] == ["web"]


def test_entries_by_object_identifier_come_whole_too(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    names = [{"oid": "1.2.3.4", "utf8Value": "new"}, {"oid": "1.2.3.5", "utf8Value": "unlisted"}]
    request = folder.write("r.yaml", certificate(otherNames=names))
    listed = [{"oid": "1.2.3.9", "values": ["x"]}, {"oid": "1.2.3.4", "values": ["a"], "required": True}]
    allowed = {"dnsNames": {"values": ["*"]}, "otherNames": listed}
    policies = folder.write("p.yaml", policy(allowed=allowed))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert pasted(result.stdout)[0]["spec"]["allowed"]["otherNames"] == [
        {"oid": "1.2.3.9", "values": ["x"]},
        {"oid": "1.2.3.4", "values": ["a", "new"], "required": True},
        {"oid": "1.2.3.5", "values": ["unlisted"]},
    ]


def test_a_user_is_bound_as_a_user(folder: Folder, certificate: Build, policy: Build) -> None:
    request, policies = folder.write("r.yaml", certificate()), folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--as", "jane@example.com")
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane@example.com"}
    assert pasted(result.stdout)[1]["subjects"] == [subject]


def test_a_missing_binding_hides_no_violation(folder: Folder, certificate: Build, policy: Build) -> None:
    request = folder.write("r.yaml", certificate(dnsNames=["a.test"]))
    policies = folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies)
    assert 'Once bound, "web" would deny it' in result.text


@pytest.mark.parametrize(
    ("selector", "told"),
    [
        ({"issuerRef": {"name": "prod"}}, "name: demo"),
        ({"issuerRef": {"group": "policy.cert-manager.io"}}, "still names the group policy.cert-manager.io"),
        ({"namespace": {"matchNames": ["team-b"]}}, "- team-a"),
        ({"namespace": {"matchLabels": {"pki": "on"}}}, "kubectl label namespace team-a pki=on"),
    ],
)
def test_a_selector_that_does_not_match_is_named_with_its_remedy(
    folder: Folder, certificate: Build, policy: Build, selector: dict[str, Any], told: str
) -> None:
    request = folder.write("r.yaml", certificate())
    policies = folder.write("p.yaml", policy(selector=selector))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 2
    assert told in result.text


def test_labels_of_the_namespace_can_be_given(folder: Folder, certificate: Build, policy: Build) -> None:
    request = folder.write("r.yaml", certificate())
    labels = {"pki": "on", "kubernetes.io/metadata.name": "team-a"}
    policies = folder.write("p.yaml", policy(selector={"namespace": {"matchLabels": labels}}))
    options = ("-f", request, "--policies", policies, "--allow-use", "web")
    assert folder.run("explain", *options, "--namespace-labels", "pki=on,x=y").code == 0


def test_a_request_for_another_group_is_told_how_to_become_ours(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(issuerRef={"name": "demo"}))
    policies = folder.write("p.yaml", policy())
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 2
    assert "issuerRef.group: vault-issuer.io" in result.text
    assert "the default, as issuerRef.group is not set" in result.text


def test_an_invalid_policy_is_not_used_and_its_problems_are_told(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate())
    policies = folder.write("p.yaml", policy(constraints={"maxDuration": "1 day"}))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 2
    assert 'Correct the policy "web"' in result.text
    assert "spec.constraints.maxDuration" in result.text


def test_a_denial_beside_an_unusable_policy_for_that_issuer_advises_to_correct_it(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(dnsNames=["a.test"]))
    broken = {"constraints": {"maxDuration": "1 day"}}
    elsewhere = policy("elsewhere", selector={"issuerRef": {"name": "prod"}}, **broken)
    policies = folder.write("p.yaml", policy(), policy("meant", **broken), elsewhere)
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "*")
    assert result.code == 1
    assert 'Correct the policy "meant"' in result.text
    assert 'Correct the policy "elsewhere"' not in result.text


def test_a_constraint_is_answered_with_words_not_with_yaml(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate())
    policies = folder.write("p.yaml", policy(constraints={"maxDuration": "1h"}))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 1
    assert "Set spec.duration in the request" in result.text


def test_a_certificate_without_a_duration_is_judged_without_one_as_in_a_cluster(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(duration=None))
    policies = folder.write("p.yaml", policy(constraints={"maxDuration": "9000h"}))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "web")
    assert result.code == 1
    assert "cert-manager writes no duration into the request" in result.text


def bound(namespace: str | None, subject: dict[str, Any], policy: str = "web") -> list[dict[str, Any]]:
    """The role that lets a policy be used, and its binding; without a namespace one of the cluster."""
    role, binding = use_binding(policy, [subject], namespace)
    return [role, binding]


def use_binding(
    policy: str, subjects: list[dict[str, Any]], namespace: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    version = "rbac.authorization.k8s.io/v1"
    rule = {
        "apiGroups": ["vault-issuer.io"],
        "resources": ["certificaterequestpolicies"],
        "verbs": ["use"],
        "resourceNames": [policy],
    }
    role = {"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": "use"}, "rules": [rule]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "use"}
    where = {"namespace": namespace} if namespace else {}
    kind = "RoleBinding" if namespace else "ClusterRoleBinding"
    binding = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "use", **where},
        "roleRef": reference,
        "subjects": subjects,
    }
    return role, binding


@pytest.mark.parametrize(
    ("namespace", "subject", "code"),
    [
        ("team-a", CERT_MANAGER, 0),
        (None, CERT_MANAGER, 0),
        ("team-a", {"kind": "Group", "name": "system:serviceaccounts"}, 0),
        ("team-b", CERT_MANAGER, 2),
        ("team-a", {"kind": "User", "name": "jane"}, 2),
        ("team-a", {**CERT_MANAGER, "namespace": "team-a"}, 2),
    ],
)
def test_a_binding_in_the_files_counts(
    folder: Folder,
    certificate: Build,
    policy: Build,
    namespace: str | None,
    subject: dict[str, Any],
    code: int,
) -> None:
    request = folder.write("r.yaml", certificate())
    policies = folder.write("p.yaml", policy(), *bound(namespace, subject))
    assert folder.run("explain", "-f", request, "--policies", policies).code == code


def test_a_request_for_a_ca_is_advised_a_policy_of_its_own_and_what_it_means(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(isCA=True))
    policies = folder.write("p.yaml", policy(), policy("second"))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "*")
    advice = " ".join(result.text.partition("What to do")[2].split())
    assert advice.count("it asks for a CA certificate") == 1
    assert "can sign certificates for names of their own choice" in advice
    assert "one policy for this request alone, which is enough" in advice
    starter = pasted(result.stdout)
    assert starter[0]["spec"]["allowed"]["isCA"] is True
    again = folder.write("q.yaml", policy(), policy("second"), *starter)
    assert folder.run("explain", "-f", request, "--policies", again, "--allow-use", "*").code == 0


def test_where_several_policies_deny_it_says_that_one_is_enough(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    request = folder.write("r.yaml", certificate(subject={"organizations": ["Lab"]}))
    policies = folder.write("p.yaml", policy(), policy("second"))
    result = folder.run("explain", "-f", request, "--policies", policies, "--allow-use", "*")
    assert "One policy that allows all of the request is enough" in " ".join(result.text.split())


def test_yaml_only_prints_what_kubectl_applies_and_that_is_enough(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    wanted = certificate(subject={"organizations": ["Lab"]})
    request, policies = folder.write("r.yaml", wanted), folder.write("p.yaml", policy())
    for name, more in (("none.yaml", ()), ("changed.yaml", ("--policies", policies, "--allow-use", "*"))):
        done = folder.run("explain", "-f", request, *more, "--yaml-only")
        assert (done.code, done.stdout.startswith("# ")) == (0, True)
        objects = list(yaml.safe_load_all(done.stdout))
        assert all(one["apiVersion"] and one["kind"] and one["metadata"]["name"] for one in objects)
        applied = folder.write(name, *objects)
        assert folder.run("explain", "-f", request, "--policies", applied, "--allow-use", "*").code == 0
    assert objects[0]["spec"]["allowed"]["dnsNames"] == policy()["spec"]["allowed"]["dnsNames"]


def test_yaml_only_gives_nobody_a_ca_unread(folder: Folder, certificate: Build, policy: Build) -> None:
    request = folder.write("r.yaml", certificate(isCA=True))
    policies = folder.write("p.yaml", policy())
    for more, code in (((), 2), (("--policies", policies, "--allow-use", "*"), 1)):
        done = folder.run("explain", "-f", request, *more, "--yaml-only")
        assert (done.code, done.stdout) == (code, "")
        assert "it asks for a CA certificate" in done.stderr
        assert "There is no YAML to apply." in done.stderr
    both = folder.run("explain", "-f", request, "--yaml-only", "-o", "json")
    assert both.code == 3
