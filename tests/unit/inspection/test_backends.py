"""Issuers of a backend from outside: `status` lists them and `explain` knows them, if it is named."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from issuer.inspection.opening import reading
from issuer.inspection.overview.summary import overview
from issuer.inspection.request.diagnosis import diagnose
from issuer.kube.resources import Resource
from issuer.manifests.errors import BadInput
from issuer.requests.issuers import IssuerKind
from issuer.signing.backend import Backend, Backends, Summary
from issuer.signing.vault.backend import VaultBackend
from tests.builders import NOW, certificate_request
from tests.unit.inspection.scene import Scene, issuer, policy, ready
from tests.unit.inspection.test_overview import ALL, told
from tests.unit.kube.fake_api import json, listing

KIND = IssuerKind("OtherIssuer", Resource("example.test", "v1", "otherissuers", namespaced=True))
ISSUERS = "/apis/example.test/v1/otherissuers"
ISSUER = "/apis/example.test/v1/namespaces/team-a/otherissuers/one"


@pytest.fixture
def other(scene: Scene) -> Scene:
    """The cluster as a command sees it that was given the other backend."""
    vault = VaultBackend()
    backend = SimpleNamespace(
        name="other",
        kinds=(KIND,),
        parse=vault.parse,
        profile=vault.profile,
        summary=lambda spec: Summary(path=str(spec["ca"])),
    )
    scene.reader.backends = Backends([vault, cast(Backend, backend)])
    return scene


def other_issuer() -> dict[str, Any]:
    """An issuer of that kind, as its controller left it."""
    found = issuer("Broken", "mend it")
    found["metadata"] |= {"namespace": "team-a", "name": "one"}
    found["spec"] |= {"ca": "roots/one"}
    return found


def request(name: str = "one", group: str = "example.test", kind: str = "OtherIssuer") -> dict[str, Any]:
    """A request that waits for such an issuer."""
    waits = [ready("False", "Pending", "it waits")]
    found = certificate_request(name, username="jane", conditions=waits)
    found["spec"]["issuerRef"] = {"group": group, "kind": kind, "name": "one"}
    return found


async def test_status_lists_issuers_of_every_backend_and_counts_each_request_once(other: Scene) -> None:
    other.api.on("GET", ISSUERS, listing("1", other_issuer()))
    ours = request("ours", "vault-issuer.io", "VaultIssuer")
    # The fake knows no field selector: each of the two lists holds all.
    all_of_them = listing("1", request(), ours, request("theirs", "cert-manager.io", "Issuer"))
    cluster = told(other, requests=all_of_them)
    other.api.on("GET", ALL["requests"], all_of_them)
    found = await overview(cluster.reader, None, None, NOW)
    (shown,) = [one for one in found["issuers"] if one["kind"] == "OtherIssuer"]
    assert (shown["path"], shown["server"], shown["reason"]) == ("roots/one", "", "Broken")
    assert found["requests"]["CertificateRequest"]["Waiting"] == 2
    selectors = {call.query.get("fieldSelector") for call in other.api.called("GET") if call.query}
    assert {"spec.issuerRef.group=vault-issuer.io", "spec.issuerRef.group=example.test"} <= selectors


async def test_explain_knows_the_issuer_and_advises_a_policy_for_it(other: Scene) -> None:
    waiting = other.told(request()).judged(policy())
    other.api.on("GET", ISSUER, json(other_issuer()))
    diagnosis = diagnose(await waiting.gather(), [{"leads": True}])
    assert 'OtherIssuer "team-a/one" is not Ready (Broken): mend it' in diagnosis.reasons
    (selector,) = [one for one in diagnosis.advice if "is for other issuers" in one.text]
    assert "group: example.test" in selector.yaml


async def test_without_the_backend_the_request_is_others(scene: Scene) -> None:
    diagnosis = diagnose(await scene.told(request()).gather(), None)
    assert "answers only for those of vault-issuer.io" in diagnosis.reasons[0]


async def test_a_backend_that_is_not_installed_is_bad_input() -> None:
    with pytest.raises(BadInput, match="--backends nowhere: no installed distribution"):
        async with reading(None, None, ["nowhere"]):
            pass
