"""Certificates, Ingresses, Gateways and Kubernetes CertificateSigningRequests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.migrate.conftest import Migrate, Object, certificate, issuer

OURS = {"group": "vault-issuer.io", "kind": "VaultIssuer", "name": "vault"}
CLUSTER = {**OURS, "kind": "VaultClusterIssuer"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"name": "vault"}, OURS),
        ({"name": "vault", "kind": "", "group": ""}, OURS),
        ({"name": "vault", "kind": "Issuer", "group": "cert-manager.io"}, OURS),
        ({"name": "vault", "kind": "ClusterIssuer"}, CLUSTER),
        ({"name": "vault", "group": "awspca.cert-manager.io", "kind": "AWSPCAIssuer"}, None),
        (OURS, None),
    ],
)
def test_a_certificate_names_our_issuer_and_keeps_everything_else(
    migrate: Migrate, old: Object, new: Object | None
) -> None:
    before = certificate(old, duration="24h", secretTemplate={"labels": {"a": "b"}}, someday={"new": [1]})
    done = migrate(issuer(), issuer(namespace=""), before)
    if new is None:
        assert done.plan["change"] == []
        return
    after = done.changed("Certificate")
    assert after["spec"].pop("issuerRef") == new
    back = {"group": "cert-manager.io", "kind": new["kind"].removeprefix("Vault"), "name": "vault"}
    assert done.plan["undo"] == [{**before, "spec": {**after["spec"], "issuerRef": back}}]
    assert "reissues" in done.notes("note")


def test_a_certificate_of_another_namespace_is_not_the_issuers(migrate: Migrate) -> None:
    other = certificate({"name": "vault"})
    other["metadata"]["namespace"] = "team-b"
    done = migrate(issuer(), other)
    assert done.plan["change"] == []
    assert 'Issuer "team-b/vault" was not among what was read' in done.notes("to do")
    assert done.code == 3


def test_a_ca_certificate_stays_as_ours_would_fail_it(migrate: Migrate) -> None:
    done = migrate(issuer(), certificate({"name": "vault"}, isCA=True))
    assert done.plan["change"] == []
    assert "spec.certificateAuthority.path" in done.notes("lost")


def test_what_the_server_adds_is_taken_off_and_owners_stay(migrate: Migrate) -> None:
    live = certificate({"name": "vault"})
    owners = [{"apiVersion": "v1", "kind": "App", "name": "x", "uid": "u"}]
    live["metadata"] |= {"uid": "u", "resourceVersion": "7", "generation": 2, "ownerReferences": owners}
    live["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    live["status"] = {"revision": 3}
    after = migrate(issuer(), live).changed("Certificate")
    assert after["metadata"] == {"name": "web", "namespace": "team-a", "ownerReferences": owners}
    assert "status" not in after


def test_only_a_tool_that_puts_things_back_is_told(migrate: Migrate) -> None:
    plain, kept = certificate({"name": "vault"}), certificate({"name": "vault"}, "kept")
    plain["metadata"]["labels"] = {"app.kubernetes.io/instance": "web"}
    kept["metadata"]["labels"] = {"kustomize.toolkit.fluxcd.io/name": "web"}
    done = migrate(issuer(), plain, kept)
    assert "web" not in done.notes("to do")
    assert "kept by Flux" in done.step("Certificate team-a/kept")["notes"][0]["text"]


def ingress(annotations: Object, kind: str = "Ingress", **metadata: Any) -> Object:
    """An Ingress or Gateway in team-a."""
    group = "networking.k8s.io/v1" if kind == "Ingress" else "gateway.networking.k8s.io/v1"
    metadata = {"name": "web", "namespace": "team-a", "annotations": annotations, **metadata}
    return {"apiVersion": group, "kind": kind, "metadata": metadata, "spec": {"tls": [{"hosts": ["x"]}]}}


@pytest.mark.parametrize("kind", ["Ingress", "Gateway", "ListenerSet"])
@pytest.mark.parametrize(
    ("old", "new_kind"),
    [
        ({"cert-manager.io/issuer": "vault"}, "VaultIssuer"),
        (
            {"cert-manager.io/issuer": "vault", "cert-manager.io/issuer-kind": "ClusterIssuer"},
            "VaultClusterIssuer",
        ),
        ({"cert-manager.io/cluster-issuer": "vault"}, "VaultClusterIssuer"),
    ],
)
def test_annotations_name_our_issuer_and_the_way_back_takes_ours_out(
    migrate: Migrate, kind: str, old: Object, new_kind: str
) -> None:
    done = migrate(issuer(), issuer(namespace=""), ingress({"keep": "x", **old}, kind))
    annotations = done.changed(kind)["metadata"]["annotations"]
    assert annotations == {
        "keep": "x",
        "cert-manager.io/issuer": "vault",
        "cert-manager.io/issuer-kind": new_kind,
        "cert-manager.io/issuer-group": "vault-issuer.io",
    }
    assert done.plan["undo"] == [ingress({"keep": "x", **old}, kind)]


@pytest.mark.parametrize("applied", [True, False])
def test_an_annotation_that_kubectl_apply_would_leave_is_told_with_the_command(
    migrate: Migrate, applied: bool
) -> None:
    annotations = {"cert-manager.io/cluster-issuer": "vault"}
    if applied:
        annotations["kubectl.kubernetes.io/last-applied-configuration"] = json.dumps(annotations)
    done = migrate(issuer(namespace=""), ingress(annotations, uid="u"))
    command = "kubectl annotate -n team-a ingress/web cert-manager.io/cluster-issuer-"
    assert (command in done.notes("to do")) is not applied


def test_a_certificate_made_from_an_ingress_follows_it(migrate: Migrate) -> None:
    made = certificate({"name": "vault", "kind": "Issuer"})
    made["metadata"]["ownerReferences"] = [{"kind": "Ingress", "name": "web", "apiVersion": "v1", "uid": "u"}]
    done = migrate(issuer(), ingress({"cert-manager.io/issuer": "vault"}), made)
    assert done.kinds("change") == ["Ingress"]
    assert "made from Ingress web" in done.notes()


def test_contradictory_annotations_and_default_issuers_are_told(migrate: Migrate) -> None:
    both = {"cert-manager.io/issuer": "vault", "cert-manager.io/cluster-issuer": "vault"}
    done = migrate(issuer(), ingress(both))
    assert done.plan["change"] == []
    assert "contradict" in done.notes("lost")
    done = migrate(issuer(), ingress({"kubernetes.io/tls-acme": "true"}))
    assert "ingressShim" in done.notes("to do")


def test_signing_requests_name_our_signer_where_that_can_be_changed(migrate: Migrate) -> None:
    def csr(name: str, signer: str, **metadata: Any) -> Object:
        return {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"name": name, **metadata},
            "spec": {"signerName": signer, "request": "x", "usages": ["client auth"]},
        }

    done = migrate(
        issuer(),
        issuer("a.b", ""),
        csr("one", "issuers.cert-manager.io/team-a.vault"),
        csr("two", "clusterissuers.cert-manager.io/a.b", uid="u"),
        csr("three", "kubernetes.io/kube-apiserver-client"),
    )
    changed = done.changed("CertificateSigningRequest")
    assert changed["spec"]["signerName"] == "vaultissuers.vault-issuer.io/team-a.vault"
    assert "must name vaultclusterissuers.vault-issuer.io/a.b" in done.notes("to do")
