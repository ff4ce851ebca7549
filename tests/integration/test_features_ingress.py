"""Ingresses and Gateways with cert-manager's annotations: cert-manager makes the Certificate, we sign it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from issuer.duration import parse_duration
from testbed import certmanager
from testbed.certmanager import SHIM_CONTROLLERS, Controllers
from testbed.cluster import OBJECTS, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.vaultpki import PkiLayout
from tests.integration.support.as_asked import assert_as_asked
from tests.integration.support.common import CERT_MANAGER
from tests.integration.support.features import ISSUER, MODES, host, setup_features
from tests.integration.support.scope import sweep

KIND = "VaultClusterIssuer"
PREFIX = "cert-manager.io"
EXTRA_PROTOCOL = "example.com/mutual-tls"
CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition", "gateways.gateway.networking.k8s.io")


@pytest.fixture(scope="module", autouse=True)
def controllers(bed: Testbed, layout: PkiLayout) -> Iterator[None]:
    """Our controller, and cert-manager's controllers for Ingresses and Gateways as a process of their own."""
    assert bed.servers.cert_manager is not None
    bed.kube.apply(OBJECTS / "certificate-shim.yaml")
    bed.kube.wait(*CRD, until="Established")
    shim = Controllers(bed.servers.cert_manager.path, bed.directory / "shim")
    bed.adopt(shim.process)
    account = bed.service_account_kubeconfig(certmanager.NAMESPACE, certmanager.CONTROLLER_ACCOUNT)
    shim.start(account, SHIM_CONTROLLERS, "1s", extra_protocols=EXTRA_PROTOCOL)
    with ControllerProcess(bed):
        setup_features(bed, layout)
        yield
    for api, kind in (("networking.k8s.io/v1", "Ingress"), ("gateway.networking.k8s.io/v1", "Gateway")):
        for one in bed.kube.list(api, kind):
            bed.kube.delete(api, kind, one["metadata"]["name"], one["metadata"]["namespace"])
    shim.process.stop()
    bed.kube.remove(*CRD)
    sweep(bed)


def naming(mode: str, **more: str) -> dict[str, str]:
    """The annotations that name our issuer, and more."""
    named = {"issuer": ISSUER[mode], "issuer-kind": KIND, "issuer-group": "vault-issuer.io", **more}
    return {f"{PREFIX}/{name.replace('_', '-')}": value for name, value in named.items()}


def ingress(name: str, namespace: str, names: list[str], given: dict[str, str]) -> Object:
    """An Ingress with one TLS entry, whose Secret is `NAME-tls`."""
    backend = {"service": {"name": "dummy", "port": {"number": 80}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": namespace, "annotations": given},
        "spec": {
            "tls": [{"hosts": names, "secretName": f"{name}-tls"}],
            "rules": [{"host": one, "http": {"paths": paths}} for one in names],
        },
    }


def listener(name: str, host_name: str, secret_name: str, protocol: str = "HTTPS") -> Object:
    """A listener of a Gateway that ends TLS with that Secret."""
    reference = {"group": "", "kind": "Secret", "name": secret_name}
    return {
        "name": name,
        "hostname": host_name,
        "port": 443,
        "protocol": protocol,
        "tls": {"mode": "Terminate", "certificateRefs": [reference]},
    }


def gateway(name: str, namespace: str, given: dict[str, str], *listeners: Object) -> Object:
    """A Gateway with annotations and listeners."""
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace, "annotations": given},
        "spec": {"gatewayClassName": "none", "listeners": list(listeners)},
    }


def delivered(bed: Testbed, layout: PkiLayout, name: str, namespace: str, mode: str) -> dict[str, Any]:
    """The spec of the Certificate that cert-manager made, once its Secret holds what it asks for."""
    made = bed.kube.wait(CERT_MANAGER, "Certificate", f"{name}-tls", namespace)
    held = bed.kube.get("v1", "Secret", f"{name}-tls", namespace)
    assert_as_asked(made, held, layout, mode)
    return dict(made["spec"])


@pytest.mark.parametrize("mode", MODES)
def test_an_annotated_ingress_gets_its_certificate(
    bed: Testbed, layout: PkiLayout, namespace: str, mode: str
) -> None:
    bed.kube.create(ingress("web", namespace, host("ingress"), naming(mode)))
    assert delivered(bed, layout, "web", namespace, mode)["dnsNames"] == host("ingress")


@pytest.mark.parametrize("mode", MODES)
def test_annotations_of_an_ingress_reach_the_certificate(
    bed: Testbed, layout: PkiLayout, namespace: str, mode: str
) -> None:
    given = naming(
        mode,
        common_name=host("fields")[0],
        duration="999h",
        renew_before="111h",
        revision_history_limit="7",
        private_key_algorithm="RSA",
        private_key_encoding="PKCS1",
        private_key_size="4096",
        private_key_rotation_policy="Always",
    )
    bed.kube.create(ingress("fields", namespace, host("fields"), given))
    spec = delivered(bed, layout, "fields", namespace, mode)
    assert (spec["commonName"], spec["dnsNames"]) == (host("fields")[0], host("fields"))
    assert parse_duration(spec["duration"]) == parse_duration("999h")
    assert parse_duration(spec["renewBefore"]) == parse_duration("111h")
    assert spec["revisionHistoryLimit"] == 7
    key = {"algorithm": "RSA", "encoding": "PKCS1", "size": 4096, "rotationPolicy": "Always"}
    assert spec["privateKey"] == key


@pytest.mark.parametrize("mode", MODES)
def test_annotations_of_a_gateway_reach_the_certificate(
    bed: Testbed, layout: PkiLayout, namespace: str, mode: str
) -> None:
    given = naming(mode, common_name=host("gateway")[0], duration="999h", renew_before="111h")
    bed.kube.create(gateway("gate", namespace, given, listener("https", host("gateway")[0], "gate-tls")))
    spec = delivered(bed, layout, "gate", namespace, mode)
    assert (spec["commonName"], spec["dnsNames"]) == (host("gateway")[0], host("gateway"))
    assert parse_duration(spec["duration"]) == parse_duration("999h")
    assert parse_duration(spec["renewBefore"]) == parse_duration("111h")


@pytest.mark.parametrize("mode", MODES)
def test_a_gateway_listener_of_an_extra_protocol_gets_its_certificate(
    bed: Testbed, layout: PkiLayout, namespace: str, mode: str
) -> None:
    (name,) = host("protocol")
    bed.kube.create(
        gateway("extra", namespace, naming(mode), listener("own", name, "extra-tls", EXTRA_PROTOCOL))
    )
    assert delivered(bed, layout, "extra", namespace, mode)["dnsNames"] == [name]


@pytest.mark.parametrize("mode", MODES)
def test_a_gateway_listener_that_an_annotation_ignores_gets_none(
    bed: Testbed, layout: PkiLayout, namespace: str, mode: str
) -> None:
    given = naming(mode, ignore_tls_listeners="elsewhere")
    elsewhere = listener("elsewhere", host("ignored")[0], "elsewhere-tls")
    bed.kube.create(
        gateway("some", namespace, given, elsewhere, listener("https", host("some")[0], "some-tls"))
    )
    assert delivered(bed, layout, "some", namespace, mode)["dnsNames"] == host("some")
    made = [one["metadata"]["name"] for one in bed.kube.list(CERT_MANAGER, "Certificate", namespace)]
    assert made == ["some-tls"]
