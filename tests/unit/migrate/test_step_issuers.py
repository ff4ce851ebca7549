"""step-issuer's issuers, the policies about them, and what names them: as seed installations have them."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.ca import TestCA, pem
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

GROUP = "certmanager.step.sm"
BUNDLE = base64.b64encode(pem(TestCA.make(datetime.now(UTC)).root).encode()).decode()
REFERENCE: Object = {"name": "step-ca", "kind": "StepClusterIssuer", "group": GROUP}


def step_issuer(namespace: str = "", **provisioner: Any) -> Object:
    """A StepClusterIssuer, or with a namespace a StepIssuer."""
    secret = {"name": "provisioner-password", "key": "password"} | (
        {} if namespace else {"namespace": "step-ca"}
    )
    return {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "StepIssuer" if namespace else "StepClusterIssuer",
        "metadata": {"name": "step-ca"} | ({"namespace": namespace} if namespace else {}),
        "spec": {
            "url": "https://step-ca.step-ca.svc.cluster.local",
            "caBundle": BUNDLE,
            "provisioner": {"name": "admin", "kid": "kid-1", "passwordRef": secret, **provisioner},
        },
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }


def policy(**selector: Any) -> Object:
    """The policy of such an installation."""
    allowed = {
        "commonName": {"value": "*"},
        "dnsNames": {"values": ["*.lab.example"]},
        "subject": {"organizations": {"values": ["Lab"]}},
    }
    found = peer_policy("approve-step-ca-requests", selector or {"group": GROUP}, allowed=allowed)
    found["spec"]["constraints"] = {"maxDuration": "24h", "minDuration": "5m"}
    return found


CANARY = certificate(REFERENCE, "canary", duration="2h", renewBefore="1h")
USE = role(use_rule("approve-step-ca-requests"), name="approve-step-ca-requests:use")


def test_an_installation_moves_whole_and_tells_what_is_left_to_do(migrate: Migrate) -> None:
    done = migrate(step_issuer(), policy(), USE, binding(), CANARY)
    made = done.made("StepClusterIssuer")
    assert made["apiVersion"] == "vault-issuer.io/v1alpha1"
    old = step_issuer()["spec"]
    secret = {"name": "provisioner-password", "key": "password", "namespace": "vault-issuer-system"}
    assert made["spec"] == {**old, "provisioner": {**old["provisioner"], "passwordRef": secret}}
    assert done.made("CertificateRequestPolicy")["spec"]["selector"]["issuerRef"] == {
        "group": "vault-issuer.io",
        "kind": "Step*",
    }
    assert done.changed("Certificate")["spec"]["issuerRef"] == {
        "name": "step-ca",
        "kind": "StepClusterIssuer",
        "group": "vault-issuer.io",
    }
    rules = done.changed("ClusterRole")["rules"]
    assert [rule["apiGroups"] for rule in rules] == [["policy.cert-manager.io"], ["vault-issuer.io"]]
    copy = 'copy the Secret "step-ca/provisioner-password" to namespace "vault-issuer-system"'
    assert copy in done.notes("to do")
    assert "-n step-ca -o go-template=" in done.notes("to do")
    assert done.code == 3


def test_the_way_back_names_step_issuers_group(migrate: Migrate) -> None:
    (back,) = [one for one in migrate(step_issuer(), CANARY).plan["undo"] if one["kind"] == "Certificate"]
    assert back["spec"]["issuerRef"] == REFERENCE


def test_the_controller_may_read_that_secret_and_approve_for_that_issuer(migrate: Migrate) -> None:
    done = migrate(step_issuer("team-a"))
    assert done.made("Role", "vault-issuer-access-step-step-ca")["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": ["provisioner-password"],
            "verbs": ["get"],
        }
    ]
    approve = done.made("ClusterRole", "vault-issuer-approve:stepissuer:team-a.step-ca")
    assert approve["rules"][0]["resourceNames"] == ["stepissuers.vault-issuer.io/team-a.step-ca"]
    assert "namespace" not in done.made("StepIssuer")["spec"]["provisioner"]["passwordRef"]
    assert "issuers of namespaces use step-ca.step-ca.svc.cluster.local:443" in done.notes()


def test_issuers_of_both_cas_may_have_one_name(migrate: Migrate) -> None:
    done = migrate(issuer("step-ca", "team-a"), step_issuer("team-a"))
    names = [(one["kind"], one["metadata"]["name"]) for one in done.plan["create"]]
    assert len(names) == len(set(names))


def test_a_kind_in_a_sentence_says_whose_it_is(migrate: Migrate) -> None:
    done = migrate(step_issuer())
    step = done.step("StepClusterIssuer.certmanager.step.sm step-ca")
    assert step["to"] == "StepClusterIssuer.vault-issuer.io step-ca"


@pytest.mark.parametrize(
    ("selector", "new"),
    [
        (
            {"name": "step-ca", "kind": "StepClusterIssuer", "group": GROUP},
            {"name": "step-ca", "kind": "StepClusterIssuer", "group": "vault-issuer.io"},
        ),
        ({"group": GROUP}, {"group": "vault-issuer.io", "kind": "Step*"}),
        ({"group": "cert*"}, {"group": "vault-issuer.io"}),
        ({"group": GROUP, "kind": "*"}, {"group": "vault-issuer.io", "kind": "Step*"}),
        ({"kind": "*ClusterIssuer"}, {"kind": "*ClusterIssuer"}),
        ({"group": "cert-manager.io"}, None),
    ],
)
def test_a_selector_opens_no_issuers_of_the_other_family(
    migrate: Migrate, selector: Object, new: Object | None
) -> None:
    done = migrate(step_issuer(), policy(**selector))
    if new is None:
        assert done.step("CertificateRequestPolicy")["action"] == "leave"
    else:
        assert done.made("CertificateRequestPolicy")["spec"]["selector"]["issuerRef"] == new


def test_a_selector_for_cert_managers_issuers_opens_no_step_issuers(migrate: Migrate) -> None:
    done = migrate(issuer(), peer_policy(reference={"group": "cert-manager.io"}))
    made = done.made("CertificateRequestPolicy")["spec"]["selector"]["issuerRef"]
    assert made == {"group": "vault-issuer.io", "kind": "Vault*"}


@pytest.mark.parametrize(
    ("issuer_ref", "moves"),
    [
        (REFERENCE, True),
        ({**REFERENCE, "kind": "StepIssuer"}, False),
        ({"name": "step-ca", "kind": "StepClusterIssuer"}, False),
        ({**REFERENCE, "group": "vault-issuer.io"}, False),
    ],
)
def test_what_names_the_issuer_moves_and_nothing_else(
    migrate: Migrate, issuer_ref: Object, moves: bool
) -> None:
    assert ("Certificate" in migrate(step_issuer(), certificate(issuer_ref)).kinds("change")) is moves


def test_a_reference_of_another_kind_means_a_step_issuer_as_for_its_controller(migrate: Migrate) -> None:
    done = migrate(step_issuer("team-a"), certificate({"name": "step-ca", "group": GROUP}))
    assert done.changed("Certificate")["spec"]["issuerRef"]["kind"] == "StepIssuer"


def test_an_ingress_names_ours_with_its_kind_and_group(migrate: Migrate) -> None:
    annotations = {
        "cert-manager.io/issuer": "step-ca",
        "cert-manager.io/issuer-kind": "StepClusterIssuer",
        "cert-manager.io/issuer-group": GROUP,
    }
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": "team-a", "annotations": annotations},
    }
    done = migrate(step_issuer(), ingress)
    assert done.changed("Ingress")["metadata"]["annotations"] == {
        **annotations,
        "cert-manager.io/issuer-group": "vault-issuer.io",
    }


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"passwordRef": {"name": "", "key": ""}}, "spec.provisioner: wants exactly one"),
        ({"passwordEnv": "PASSWORD"}, "spec.provisioner: wants exactly one"),
        ({"kid": ""}, "spec.provisioner.kid"),
        ({"passwordRef": {"name": "p"}}, "spec.provisioner.passwordRef.key"),
    ],
)
def test_what_step_issuer_refuses_is_refused_with_the_field(
    migrate: Migrate, changes: Object, where: str
) -> None:
    done = migrate(step_issuer("team-a", **changes), certificate({**REFERENCE, "kind": "StepIssuer"}))
    assert done.code == 1
    assert where in done.notes("error")
    assert done.plan["create"] == []


def test_a_password_of_the_pod_stays_for_the_cluster_kind_alone(migrate: Migrate) -> None:
    nothing = {"name": "", "namespace": "", "key": ""}
    done = migrate(step_issuer(passwordRef=nothing, passwordFile="/secrets/step/password"))
    made = done.made("StepClusterIssuer")["spec"]["provisioner"]
    assert made == {"name": "admin", "kid": "kid-1", "passwordFile": "/secrets/step/password"}
    assert "mount that file" in done.notes("to do")
    refused = migrate(step_issuer("team-a", passwordRef=nothing, passwordEnv="STEP_PASSWORD"))
    assert "spec.provisioner.passwordEnv" in refused.notes("error")


def test_the_right_of_cert_managers_own_approver_is_not_given_for_ours(migrate: Migrate) -> None:
    approve = role(
        {
            "apiGroups": ["cert-manager.io"],
            "resources": ["signers"],
            "verbs": ["approve"],
            "resourceNames": [f"stepclusterissuers.{GROUP}/*"],
        },
        name="cert-manager-controller-approve:certmanager-step-sm",
    )
    done = migrate(step_issuer(), approve)
    assert "ClusterRole" not in done.kinds("change")
    assert "not given for ours" in done.notes()
    starter = done.made("CertificateRequestPolicy")
    assert starter["spec"]["selector"]["issuerRef"]["kind"] == "StepClusterIssuer"


def test_a_starter_for_a_provisioner_is_the_only_guard_and_that_is_told(migrate: Migrate) -> None:
    """Its key grants every name; and who approved before was not read."""
    done = migrate(step_issuer())
    assert "step-ca's provisioner this policy is the only guard" in done.notes("to do")
    assert "approved all" not in done.stdout


def test_an_address_without_a_scheme_moves_as_it_is(migrate: Migrate) -> None:
    one = step_issuer()
    one["spec"]["url"] = "step-ca.lab.example:9000"
    assert migrate(one).made("StepClusterIssuer")["spec"]["url"] == "step-ca.lab.example:9000"


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"url": "https://user:hunter2@ca.lab.example"}, "without user, password"),
        ({"url": "https://ca\u0007.lab.example"}, "without spaces and control characters"),
        ({"caBundle": base64.b64encode(b"no certificate").decode()}, "holds no certificate"),
    ],
)
def test_what_the_controller_would_refuse_is_not_moved(migrate: Migrate, changed: Object, told: str) -> None:
    one = step_issuer()
    one["spec"] |= changed
    done = migrate(one)
    assert done.code == 1
    assert told in done.stdout
    assert "hunter2" not in done.stdout
