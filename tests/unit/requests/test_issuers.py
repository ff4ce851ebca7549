"""Kinds of issuers: told apart by name, found by reference and by the domain of signer names."""

from __future__ import annotations

import pytest

from issuer.kube.resources import Resource
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import (
    BUILT_IN,
    IssuerKey,
    IssuerKind,
    IssuerKinds,
    IssuerNameError,
    KindTakenError,
)
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import BadSpec
from issuer.signing.backends import load_backends

OTHER = IssuerKind("ExampleIssuer", Resource("example.test", "v1", "exampleissuers", namespaced=True))
KINDS = IssuerKinds((*BUILT_IN, OTHER))


def request(group: str, kind: str) -> CertificateRequest:
    return CertificateRequest(
        {
            "metadata": {"namespace": "shop", "name": "web"},
            "spec": {"issuerRef": {"group": group, "kind": kind, "name": "ca"}},
        },
        KINDS,
    )


@pytest.mark.parametrize(
    "taken",
    [
        IssuerKind("VaultIssuer", Resource("example.test", "v1", "vaultissuers", namespaced=True)),
        IssuerKind("OtherIssuer", Resource("vault-issuer.io", "v1", "vaultissuers", namespaced=True)),
        next(iter(BUILT_IN)),
    ],
    ids=["its name", "its plural and group", "the very same"],
)
def test_a_kind_that_two_backends_claim_is_refused(taken: IssuerKind) -> None:
    with pytest.raises(KindTakenError, match=r"^VaultIssuer \(vaultissuers\.vault-issuer\.io\) and "):
        IssuerKinds((*BUILT_IN, taken))


def test_a_request_finds_its_issuer_among_all_groups() -> None:
    assert request("example.test", "ExampleIssuer").issuer == IssuerKey("ExampleIssuer", "shop", "ca")
    assert request("vault-issuer.io", "VaultClusterIssuer").issuer == IssuerKey(
        "VaultClusterIssuer", "", "ca"
    )


def test_a_kind_of_another_group_is_none_of_the_groups_kinds() -> None:
    crossed = request("example.test", "VaultIssuer")
    assert crossed.is_ours
    with pytest.raises(
        BadSpec, match=r"'VaultIssuer' is not a kind of group example.test: use ExampleIssuer"
    ):
        _ = crossed.issuer


def test_a_group_that_nobody_serves_is_left_alone() -> None:
    assert not request("other.test", "ExampleIssuer").is_ours
    unnamed = CertificateRequest(request("example.test", "ExampleIssuer").object)
    assert not unnamed.is_ours


def test_signer_names_stand_for_issuers_of_every_group() -> None:
    csr = KubernetesCSR({"spec": {"signerName": "exampleissuers.example.test/shop.ca"}}, KINDS)
    assert csr.is_ours
    assert csr.issuer == IssuerKey("ExampleIssuer", "shop", "ca")
    assert KINDS.signer_names(csr.issuer) == (
        "exampleissuers.example.test/*",
        "exampleissuers.example.test/shop.ca",
    )
    assert csr.with_object({"spec": {"signerName": "vaultclusterissuers.vault-issuer.io/ca"}}).issuer == (
        IssuerKey("VaultClusterIssuer", "", "ca")
    )


ADOPTED = IssuerKind(
    "VaultIssuer.example.test", Resource("example.test", "v1", "vaultissuers", namespaced=True)
)


def test_two_groups_may_have_a_kind_of_one_name_where_one_is_kept_apart_by_its_group() -> None:
    kinds = IssuerKinds((*BUILT_IN, ADOPTED))
    theirs = {"group": "example.test", "kind": "VaultIssuer", "name": "ca"}
    found = kinds.referred(theirs)
    assert found is ADOPTED
    key = found.key("shop", "ca")
    assert str(key) == "VaultIssuer.example.test shop/ca"
    assert kinds.reference(key) == theirs
    assert kinds.signer_names(key)[1] == "vaultissuers.example.test/shop.ca"
    ours = kinds.referred({**theirs, "group": "vault-issuer.io"})
    assert ours is not None
    assert ours.key("shop", "ca") != key


def test_any_other_kind_of_a_group_may_mean_one_of_its_kinds() -> None:
    """As step-issuer takes every kind but its cluster one for a StepIssuer."""
    kinds = load_backends((), adopt_step_issuer=True).kinds
    group = "certmanager.step.sm"
    for kind in ("", "Issuer", "StepIssuer"):
        found = kinds.referred({"group": group, "kind": kind})
        assert found is not None
        assert found.kind == f"StepIssuer.{group}"
    cluster = kinds.referred({"group": group, "kind": "StepClusterIssuer"})
    assert cluster is not None
    assert cluster.kind == f"StepClusterIssuer.{group}"
    assert kinds.referred({"group": "vault-issuer.io", "kind": ""}) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("VaultClusterIssuer/vault", IssuerKey("VaultClusterIssuer", "", "vault")),
        ("vaultclusterissuer/vault", IssuerKey("VaultClusterIssuer", "", "vault")),
        ("vci/vault", IssuerKey("VaultClusterIssuer", "", "vault")),
        ("VI/team-a/vault", IssuerKey("VaultIssuer", "team-a", "vault")),
        ("vaultissuer/vault", None),
        ("vci/team-a/vault", None),
        ("/vault", None),
        ("issuer/vault", None),
    ],
)
def test_an_issuer_is_named_as_kubectl_takes_it(text: str, key: IssuerKey | None) -> None:
    if key is not None:
        assert BUILT_IN.parse(text) == key
        return
    with pytest.raises(IssuerNameError, match="is neither VaultClusterIssuer/NAME"):
        BUILT_IN.parse(text)
