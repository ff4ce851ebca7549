"""Health and metrics by TLS: its certificate, probes and monitors that speak it, and the rights it takes."""

from __future__ import annotations

from testbed.chart import render
from tests.chart.conftest import Object, of_kind, the_deployment

TLS: Object = {"metrics": {"tls": {"secretName": "metrics-tls"}}}
NAME = "vault-issuer-metrics"


def test_it_is_off() -> None:
    spec = the_deployment(render())["spec"]["template"]["spec"]
    assert "volumes" not in spec
    assert not [word for word in spec["containers"][0]["args"] if word.startswith("--metrics-tls")]
    assert "scheme" not in spec["containers"][0]["readinessProbe"]["httpGet"]


def test_the_controller_has_the_certificate_and_kubelet_asks_by_tls() -> None:
    spec = the_deployment(render(TLS))["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    (volume,) = spec["volumes"]
    (mount,) = container["volumeMounts"]
    assert volume["secret"] == {"secretName": "metrics-tls"}
    assert (mount["name"], mount["readOnly"]) == (volume["name"], True)
    assert [word for word in container["args"] if word.startswith("--metrics-tls")] == [
        f"--metrics-tls-cert={mount['mountPath']}/tls.crt",
        f"--metrics-tls-key={mount['mountPath']}/tls.key",
    ]
    probes = [container[f"{which}Probe"]["httpGet"] for which in ("startup", "liveness", "readiness")]
    assert {probe["scheme"] for probe in probes} == {"HTTPS"}


def test_it_may_ask_whose_token_it_is_and_a_role_for_prometheus_is_there() -> None:
    found = {one["metadata"]["name"]: one for one in of_kind(render(TLS), "ClusterRole")}
    more = {name: found[name]["rules"] for name in found.keys() - names_of_roles(render())}
    assert more == {
        NAME: [{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}],
        f"{NAME}-reader": [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}],
    }
    (binding,) = [
        one for one in of_kind(render(TLS), "ClusterRoleBinding") if one["metadata"]["name"] == NAME
    ]
    assert binding["roleRef"]["name"] == NAME


def names_of_roles(objects: list[Object]) -> set[str]:
    """Names of the ClusterRoles."""
    return {one["metadata"]["name"] for one in of_kind(objects, "ClusterRole")}


def test_monitors_scrape_by_tls_as_they_are_told() -> None:
    told = {
        "enabled": True,
        "tlsConfig": {
            "ca": {"configMap": {"name": "ca", "key": "ca.crt"}},
            "serverName": "m.example.com",
        },
        "authorization": {"credentials": {"name": "scrape", "key": "token"}},
    }
    objects = render({"metrics": {**TLS["metrics"], "podMonitor": told, "serviceMonitor": told}})
    (pods,) = of_kind(objects, "PodMonitor")
    (service,) = of_kind(objects, "ServiceMonitor")
    for endpoint in (*pods["spec"]["podMetricsEndpoints"], *service["spec"]["endpoints"]):
        assert endpoint["scheme"] == "https"
        assert endpoint["tlsConfig"] == told["tlsConfig"]
        assert endpoint["authorization"] == told["authorization"]


def test_helm_test_asks_by_the_lease_alone() -> None:
    def urls(values: Object | None) -> list[str]:
        (pod,) = [one for one in of_kind(render(values), "Pod") if one["metadata"]["name"].endswith("-test")]
        return [word for word in pod["spec"]["containers"][0]["args"] if word.startswith("--url=")]

    assert urls(None)
    assert not urls(TLS)
