"""Watches by API group: each shows what is of its own group, whoever filters."""

from __future__ import annotations

from typing import Any, cast

from issuer.controller.leadership.ownership import Alone
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.wiring import Components
from issuer.kube.client import KubeClient
from issuer.kube.resources import Resource
from issuer.kube.watching.group import ReflectorGroup
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKind
from issuer.signing.backend import Backends
from issuer.signing.vault.backend import VaultBackend
from tests.builders import certificate_request
from tests.unit.controller.fakes import ScriptedKube


class ExampleBackend(VaultBackend):
    """Vault's backend under another name, for kinds of another group."""

    name = "example"  # type: ignore[misc]
    kinds = (IssuerKind("ExampleIssuer", Resource("example.test", "v1", "exampleissuers", namespaced=True)),)


async def test_a_server_that_does_not_filter_has_each_object_shown_by_one_watch() -> None:
    options = ControllerOptions(backends=Backends([VaultBackend(), ExampleBackend()]))
    components = Components(options, cast(KubeClient, ScriptedKube()), Alone())
    for kind, obj in (
        (CertificateRequest.kind, certificate_request("one")),
        ("Certificate", {"metadata": {"namespace": "team-a", "name": "one"}, "spec": {"secretName": "one"}}),
    ):
        group = components.watches.reflectors[kind]
        assert isinstance(group, ReflectorGroup)
        for reference in (
            {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "ca"},
            {"group": "example.test", "kind": "ExampleIssuer", "name": "ca"},
        ):
            shown: dict[str, Any] = {**obj, "spec": {**obj["spec"], "issuerRef": reference}}
            assert [one._calls._keep(shown) for one in group._reflectors].count(True) == 1
        other = {**obj, "spec": {**obj["spec"], "issuerRef": {"group": "other.test", "name": "ca"}}}
        assert not any(one._calls._keep(other) for one in group._reflectors)
