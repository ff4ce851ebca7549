"""The status page: off by default, on loopback without rights, elsewhere with TLS, a login and rights."""

from __future__ import annotations

import pytest

from testbed.chart import render
from tests.chart.conftest import Object, of_kind, the_deployment

EXPOSED: Object = {"enabled": True, "address": ":9403", "tls": {"secretName": "status-tls"}}
NAME = "vault-issuer-status-page"


def status_arguments(objects: list[Object]) -> list[str]:
    """What the controller is told about the page."""
    (container,) = the_deployment(objects)["spec"]["template"]["spec"]["containers"]
    return [word for word in container["args"] if word.startswith("--status-")]


def named(objects: list[Object]) -> set[tuple[str, str]]:
    """Kinds and names."""
    return {(one["kind"], one["metadata"]["name"]) for one in objects}


def ports_let_in(objects: list[Object]) -> list[str]:
    """The ports that the NetworkPolicy opens."""
    (policy,) = of_kind(objects, "NetworkPolicy")
    return [port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]]


def test_it_is_off() -> None:
    assert status_arguments(render()) == []


@pytest.mark.parametrize("address", ["127.0.0.1:9403", "localhost:9500", "[::1]:9403"])
def test_on_loopback_it_takes_no_right_no_port_and_no_secret(address: str) -> None:
    objects = render({"statusPage": {"enabled": True, "address": address}})
    assert status_arguments(objects) == [f"--status-address={address}"]
    assert named(objects) == named(render())
    assert ports_let_in(objects) == ["metrics"]
    assert "volumes" not in the_deployment(objects)["spec"]["template"]["spec"]


def test_elsewhere_it_has_its_certificate_its_port_and_the_right_to_ask_whose_token_it_is() -> None:
    objects = render({"statusPage": EXPOSED})
    assert named(objects) - named(render()) == {
        ("ClusterRole", NAME),
        ("ClusterRoleBinding", NAME),
        ("Service", "vault-issuer-status"),
    }
    (role,) = [one for one in of_kind(objects, "ClusterRole") if one["metadata"]["name"] == NAME]
    assert role["rules"] == [
        {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    ]
    spec = the_deployment(objects)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (volume,) = spec["volumes"]
    assert volume["secret"] == {"secretName": "status-tls"}
    (mount,) = container["volumeMounts"]
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    assert status_arguments(objects) == [
        "--status-address=:9403",
        f"--status-tls-cert={mount['mountPath']}/tls.crt",
        f"--status-tls-key={mount['mountPath']}/tls.key",
    ]
    assert {"name": "status", "containerPort": 9403} in container["ports"]
    assert ports_let_in(objects) == ["metrics", "status"]


def test_who_reaches_it_can_be_limited() -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"team": "pki"}}}]
    (policy,) = of_kind(render({"statusPage": {**EXPOSED, "from": peers}}), "NetworkPolicy")
    assert policy["spec"]["ingress"][1]["from"] == peers


def test_its_service_keeps_a_browser_at_one_replica() -> None:
    objects = render({"statusPage": EXPOSED})
    (service,) = [
        one for one in of_kind(objects, "Service") if one["metadata"]["name"] == "vault-issuer-status"
    ]
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    assert service["spec"]["ports"] == [{"name": "status", "port": 443, "targetPort": "status"}]
