"""What the controller tells of real requests: metrics, one log line each, and traces at a real collector."""

from __future__ import annotations

import base64
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.samples import EVERYBODY, certificate, use_binding, vault_cluster_issuer
from testbed.samples import policy as policy_object
from testbed.vaultpki import DOMAIN, PkiLayout, setup_approle, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    CERT_MANAGER,
    cluster_issuer_with_token,
    delete_issuer,
    only_policies,
    request,
    secret,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.otlp import Collected, collector

COUNT = 12
DURATIONS = ("waiting", "deciding", "signing", "writing", "seconds")


@contextmanager
def names_only(bed: Testbed) -> Iterator[None]:
    """While inside, a policy allows names below the domain and one that Vault's role refuses; no more."""
    names = {"dnsNames": {"values": [f"*.{DOMAIN}", "www.refused.test"]}}
    wanted = policy_object("names", {**names, "usages": ["digital signature", "key encipherment"]})
    with only_policies(bed, wanted):
        bed.kube.apply(use_binding("names", [EVERYBODY]))
        yield
        for one in use_binding("names", [EVERYBODY]):
            bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])


def ask(bed: Testbed, namespace: str, issuer: str) -> set[str]:
    """Requests of every outcome, all answered; their names with the namespace."""
    for number in range(COUNT):
        request(bed, f"good-{number}", namespace, issuer)
    request(bed, "denied", namespace, issuer, csr=csr_pem("www.elsewhere.test"))
    request(bed, "refused", namespace, issuer, csr=csr_pem("www.refused.test"))
    for number in range(COUNT):
        wait_issued(bed, f"good-{number}", namespace)
    wait_answer(bed, "denied", namespace, "Denied")
    wait_answer(bed, "refused", namespace, "Failed")
    return {f"{namespace}/{name}" for name in (*(f"good-{n}" for n in range(COUNT)), "denied", "refused")}


def value(controller: ControllerProcess, series: str) -> float | None:
    """The value of one series as it stands in /metrics, None where it is not there."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", controller.metrics(), re.MULTILINE)
    return None if found is None else float(found[1])


def of_issuer(metric: str, issuer: str) -> str:
    """The series of a cluster issuer."""
    return f'{metric}{{kind="VaultClusterIssuer",name="{issuer}",namespace=""}}'


def becomes(read: Callable[[], Any], wanted: Any) -> None:
    """Wait until that is read."""
    for _ in range(1200):
        if (found := read()) == wanted:
            return
        time.sleep(0.1)
    raise AssertionError(f"{found} never became {wanted}")


def test_each_request_has_one_json_line_with_its_story(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, "story", token)
    with names_only(bed), ControllerProcess(bed) as controller:
        wait_ready(bed, "story")
        asked = ask(bed, namespace, "story")
    told = [json.loads(one) for one in controller.log.read_text().splitlines() if one.startswith("{")]
    lines = {one["request"]: one for one in told if one["event"] in ("issued", "denied", "failed")}
    counts = Counter(one["request"] for one in told if one["event"] in ("issued", "denied", "failed"))
    assert {name for name in counts if name.startswith(f"{namespace}/")} == asked
    assert set(counts.values()) == {1}
    issued = lines[f"{namespace}/good-0"]
    stored = bed.kube.get(CERT_MANAGER, "CertificateRequest", "good-0", namespace)
    assert issued["requester"] == stored["spec"]["username"]
    assert (issued["decision"], issued["policy"]) == ("approved by policy", "names")
    assert issued["issuer"] == "VaultClusterIssuer story"
    assert issued["serial"] in str(stored["status"]["conditions"])
    assert issued["not_after"].startswith("202")
    assert lines[f"{namespace}/denied"]["decision"] == "denied by policy"
    assert "www.elsewhere.test" in lines[f"{namespace}/denied"]["message"]
    refused = lines[f"{namespace}/refused"]
    assert (refused["event"], refused["reason"]) == ("failed", "RefusedByVault")
    for one in (lines[name] for name in asked):
        assert all(isinstance(one[field], float) and one[field] >= 0 for field in DURATIONS), one
    assert issued["signing"] > 0
    assert issued["writing"] > 0
    text = controller.log.read_text()
    assert token not in text
    assert stored["spec"]["request"] not in text
    delete_issuer(bed, "story")


def test_each_request_has_one_line_for_a_terminal_too(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    cluster_issuer_with_token(bed, "terminal", setup_token(bed.vault, layout.policy))
    with names_only(bed), ControllerProcess(bed, log_format="console") as controller:
        wait_ready(bed, "terminal")
        asked = ask(bed, namespace, "terminal")
    lines = controller.log.read_text().splitlines()
    for name in asked:
        (line,) = [one for one in lines if f"request={name} " in one]
        assert re.search(r"\[info +\] (issued|denied|failed) ", line)
        assert all(f"{field}=" in line for field in DURATIONS)
    delete_issuer(bed, "terminal")


def test_metrics_tell_of_logins_tokens_lives_and_reasons(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    cluster_issuer_with_token(bed, "told", setup_token(bed.vault, layout.policy, ttl="1h"))
    with names_only(bed), ControllerProcess(bed, ["--issuer-check-period=2"]) as controller:
        wait_ready(bed, "told")
        ask(bed, namespace, "told")
        expected = {
            'vault_issuer_requests_total{outcome="issued",reason="Issued"}': COUNT,
            'vault_issuer_requests_total{outcome="denied",reason="Denied"}': 1,
            'vault_issuer_requests_total{outcome="failed",reason="RefusedByVault"}': 1,
            'vault_issuer_sign_seconds_count{result="signed"}': COUNT,
            'vault_issuer_sign_seconds_count{result="failed"}': 1,
            'vault_issuer_login_seconds_count{result="success"}': 1,
            "vault_issuer_request_answer_seconds_count": COUNT,
            "vault_issuer_certificate_lifetime_seconds_count": COUNT,
            of_issuer("vault_issuer_issuer_ready", "told"): 1,
        }
        assert {series: value(controller, series) for series in expected} == expected
        approved = value(controller, 'vault_issuer_policy_decisions_total{policy="names",verdict="Approved"}')
        assert approved is not None
        assert approved >= COUNT + 1  # one that was put off is decided again
        ends = value(controller, of_issuer("vault_issuer_token_expiry_timestamp_seconds", "told"))
        assert ends is not None
        assert 0 < ends - time.time() <= 3600
        delete_issuer(bed, "told")
        becomes(lambda: 'name="told"' in controller.metrics(), False)


def test_certificates_are_counted_and_one_that_nobody_renews_is_seen(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    cluster_issuer_with_token(bed, "watched", setup_token(bed.vault, layout.policy))

    def read(metric: str) -> Callable[[], float | None]:
        series = of_issuer(f"vault_issuer_certificates{metric}", "watched")
        return lambda: value(controller, series)

    with ControllerProcess(bed) as controller:
        wait_ready(bed, "watched")
        becomes(read(""), 0)
        bed.kube.apply(certificate("web", namespace, "watched", (f"web.{DOMAIN}",)))
        found = bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
        bed.kube.apply(certificate("never", namespace, "watched", ("www.refused.test",)))
        becomes(read(""), 2)
        becomes(read("_not_ready"), 1)
        becomes(read("_past_renewal"), 0)
        ends = read("_next_expiry_timestamp_seconds")()
        assert ends is not None
        assert time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)) == found["status"]["notAfter"]
        bed.cert_manager.process.stop()
        try:
            late = bed.kube.get(CERT_MANAGER, "Certificate", "web", namespace)
            late["status"]["renewalTime"] = "2026-01-01T00:00:00Z"
            bed.kube.replace(late, "status")
            becomes(read("_past_renewal"), 1)
        finally:
            bed.start_cert_manager()
        becomes(read("_past_renewal"), 0)  # cert-manager is back, and reckons anew
        for name in ("web", "never"):
            bed.kube.delete(CERT_MANAGER, "Certificate", name, namespace)
        becomes(read(""), 0)
        becomes(read("_next_expiry_timestamp_seconds"), None)
    delete_issuer(bed, "watched")


def test_a_requests_way_is_a_trace_at_the_collector_without_secrets(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    login = setup_approle(bed.vault, layout.policy, name="traced")
    bed.kube.apply(secret("traced-secret", SYSTEM_NAMESPACE, id=login.secret_id))
    reference = {"name": "traced-secret", "key": "id"}
    auth = {"appRole": {"path": "approle", "roleId": login.role_id, "secretRef": reference}}
    with collector() as collected:
        with ControllerProcess(bed, [f"--tracing-endpoint={collected.url}"]) as controller:
            bed.kube.apply(vault_cluster_issuer(bed, "traced", auth))
            wait_ready(bed, "traced")
            csr = csr_pem(f"one.{DOMAIN}")
            request(bed, "one", namespace, "traced", csr=csr)
            issued = wait_issued(bed, "one", namespace)
        _shows_the_way(collected, issued, namespace)
    (line,) = [one for one in controller.log.read_text().splitlines() if '"issued"' in one]
    assert json.loads(line)["trace_id"] in {one.trace for one in collected.named("request")}
    assert [one for one in collected.named("login") if not one.error]
    for hidden in (login.secret_id.encode(), csr, base64.b64encode(csr), b"hvs.", b"BEGIN"):
        assert hidden not in collected.raw
    delete_issuer(bed, "traced")


def _shows_the_way(collected: Collected, issued: dict[str, Any], namespace: str) -> None:
    named = "vault_issuer.name", "vault_issuer.namespace", "vault_issuer.uid"
    wanted = ("one", namespace, issued["metadata"]["uid"])
    answered = [
        one
        for one in collected.named("request")
        if tuple(one.attributes.get(name) for name in named) == wanted
        and one.attributes.get("vault_issuer.outcome") == "issued"
    ]
    (root,) = answered
    assert collected.below(root) == ["decide", "sign", "verify", "write"]
    assert root.attributes["vault_issuer.policy"] == "everything"
    assert sum(one.nanoseconds for one in collected.spans if one.parent == root.id) <= root.nanoseconds
