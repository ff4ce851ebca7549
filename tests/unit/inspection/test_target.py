"""Which request a text names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.inspection.kinds import explained_kinds, inspected_kinds
from issuer.inspection.lookup import find_request
from issuer.inspection.target import InspectionTarget, chosen_target, names, parse_target
from issuer.manifests.backends import kinds_in_reach
from issuer.manifests.errors import BadInput
from issuer.signing.backends import built_in
from tests.builders import certificate_request, signing_request
from tests.unit.inspection.scene import CSR_ONE, ONE, REQUESTS, Scene
from tests.unit.kube.fake_api import json, listing, refuse

CERTIFICATE = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
SIGNING_REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"


KINDS = inspected_kinds(kinds_in_reach(built_in()))


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (
            "one cr/one CertificateRequest/one certificaterequests.cert-manager.io/one",
            ONE,
        ),
        ("csr/one CSR/one certificatesigningrequests.certificates.k8s.io/one", CSR_ONE),
        (
            "certificate/web cert/web Certificates/web certificates.v1.cert-manager.io/web cert/team-a/web",
            InspectionTarget("Certificate", "team-a", "web"),
        ),
        (
            "VaultClusterIssuer/demo VAULTCLUSTERISSUERS.vault-issuer.io/demo vci/demo",
            InspectionTarget("VaultClusterIssuer", "", "demo"),
        ),
        ("vi/own VaultIssuer/team-a/own", InspectionTarget("VaultIssuer", "team-a", "own")),
        (
            "vcrp/web certificaterequestpolicies.vault-issuer.io/web certificaterequestpolicy/web",
            InspectionTarget("CertificateRequestPolicy", "", "web"),
        ),
        (
            "stepclusterissuer/ca vsci/ca stepclusterissuers.vault-issuer.io/ca",
            InspectionTarget("StepClusterIssuer", "", "ca"),
        ),
        (
            "StepIssuer.certmanager.step.sm/team-a/ca stepissuers.v1beta1.certmanager.step.sm/ca",
            InspectionTarget("StepIssuer.certmanager.step.sm", "team-a", "ca"),
        ),
        ("secret/web-tls Secrets/web-tls", InspectionTarget("Secret", "team-a", "web-tls")),
    ],
)
def test_names_are_read_as_people_and_kubectl_write_them(texts: str, found: InspectionTarget) -> None:
    assert {parse_target(text, "team-a", KINDS) for text in texts.split()} == {found}


@pytest.mark.parametrize("text", ["", "/", "csr/", "/one", "pod/one", "a/b/c", "csr/a/b", "vi/a/b/c"])
def test_what_names_nothing_known_is_refused_with_the_forms_that_work(text: str) -> None:
    with pytest.raises(
        BadInput, match=r"certificatesigningrequest/NAME.*vaultclusterissuer/NAME.*secret/NAME"
    ):
        parse_target(text, "team-a", KINDS)


def test_explain_takes_no_secret() -> None:
    with pytest.raises(BadInput, match="names nothing"):
        parse_target("secret/one", "team-a", explained_kinds())


def test_kinds_of_other_groups_are_told_apart_from_ours() -> None:
    with pytest.raises(BadInput, match=r'here is only "certificaterequestpolicies\.vault-issuer\.io"'):
        parse_target("certificaterequestpolicies.policy.cert-manager.io/web", "team-a", KINDS)


WEB = {"metadata": {"name": "web", "namespace": "team-a", "uid": "uid-web"}}


def of_certificate(name: str, revision: str, uid: str = "uid-web") -> dict[str, Any]:
    """A request of the Certificate web."""
    obj = certificate_request(name)
    obj["metadata"] |= {
        "annotations": {"cert-manager.io/certificate-revision": revision},
        "ownerReferences": [{"kind": "Certificate", "name": "web", "uid": uid}],
    }
    return obj


async def test_the_current_request_of_a_certificate_has_the_highest_revision(scene: Scene) -> None:
    scene.api.on("GET", CERTIFICATE, json(WEB))
    others = [certificate_request("other"), of_certificate("web-11", "11", uid="an earlier one")]
    first = listing("1", of_certificate("web-9", "9"), *others, more="next")
    scene.api.on("GET", REQUESTS, first, listing("1", of_certificate("web-10", "10")))
    found = await find_request(scene.reader, InspectionTarget("Certificate", "team-a", "web"))
    assert found is not None
    assert found.key.name == "web-10"


async def test_a_certificate_without_a_request_and_what_is_not_there_are_told(scene: Scene) -> None:
    scene.api.on("GET", CERTIFICATE, json(WEB), refuse(404, "NotFound"))
    scene.api.on("GET", REQUESTS, listing("1"))
    scene.api.on("GET", "/api/v1/namespaces/team-a", json({}))
    web = InspectionTarget("Certificate", "team-a", "web")
    assert await find_request(scene.reader, web) is None
    with pytest.raises(BadInput, match='no Certificate "web" in namespace "team-a"'):
        await find_request(scene.reader, web)


def test_the_namespace_is_the_kubeconfigs_where_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    config: dict[str, Any] = {
        "clusters": [{"name": "c", "cluster": {"server": "https://example.test"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [
            {"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team-b"}},
            {"name": "y", "context": {"cluster": "c", "user": "u"}},
        ],
        "current-context": "x",
    }
    path.write_text(yaml.safe_dump(config))
    found = [chosen_target(["one"], *more, KINDS).namespace for more in chosen(str(path))]
    assert found == ["team-b", "default", "team-a"]
    with pytest.raises(BadInput, match="no cluster"):
        chosen_target(["one"], None, str(tmp_path / "none"), None, KINDS)
    assert chosen_target(["Certificate", "web"], None, str(path), None, KINDS).kind == "Certificate"
    with pytest.raises(BadInput, match="leave one out"):
        chosen_target(["cert/team-a/web"], "team-b", str(path), None, KINDS)


def chosen(path: str) -> list[tuple[str | None, str, str | None]]:
    """Namespace, kubeconfig and context of three commands."""
    return [(None, path, None), (None, path, "y"), ("team-a", path, None)]


async def test_names_are_completed_by_what_is_there_and_ours(scene: Scene) -> None:
    foreign = certificate_request("web-9", issuerRef={"group": "other.io", "kind": "X", "name": "y"})
    page = listing("1", certificate_request("web-1"), certificate_request("api-1"), foreign)
    scene.api.on("GET", REQUESTS, page, page, page)
    scene.api.on(
        "GET", SIGNING_REQUESTS, listing("1", signing_request("agent"), signing_request("x", signer="a/b"))
    )
    assert await names(scene.reader.client, "web", "team-a", 10, KINDS) == ["web-1"]
    assert await names(scene.reader.client, "c", "team-a", 10, KINDS) == [
        "certificatesigningrequest/",
        "certificate/",
        "certificaterequestpolicy/",
    ]
    assert await names(scene.reader.client, "CertificateR", "team-a", 10, KINDS) == [
        "CertificateRequestPolicy/"
    ]
    assert await names(scene.reader.client, "csr/", "team-a", 10, KINDS) == ["csr/agent"]
    assert await names(scene.reader.client, "secret/", "team-a", 10, KINDS) == []
    assert scene.api.calls[0].query["limit"] == "10"
