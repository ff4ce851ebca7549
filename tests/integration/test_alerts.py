"""Each alert on a real Prometheus: what it is about is broken, it fires, its runbook is followed, it ends.

The tests run in this order on one controller; the dashboard's queries at the end find what they left.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import RBAC
from testbed.prometheus import INTERVAL
from testbed.samples import EVERYBODY, certificate, policy, use_binding
from testbed.vaultpki import (
    DOMAIN,
    PkiLayout,
    mount_pki,
    setup_policy,
    setup_role,
    setup_token,
    sign_intermediate,
)
from tests.integration.support.alerting import (
    ISSUER,
    PERIOD,
    PERIODS,
    RUN,
    RUNBOOKS,
    Watched,
    headings,
    watching,
)
from tests.integration.support.common import (
    CERT_MANAGER,
    cluster_issuer_with_token,
    delete_issuer,
    only_policies,
    request,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.losing_vault import LosingVault
from tests.integration.support.scope import sweep
from tests.sizes import LONGER, sampled
from tools.dashboard import FILE

STALE = "VaultIssuerCanaryStale"
CANARY_RBAC = RBAC.parent / "canary" / "rights" / "rbac.yaml"


@pytest.fixture(scope="module")
def watched(bed: Testbed, layout: PkiLayout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A controller with a canary, and Prometheus; all is well."""
    bed.kube.apply(RBAC)
    bed.kube.apply(CANARY_RBAC)
    with watching(bed, layout, tmp_path_factory.mktemp("watched")) as found:
        yield found
        sweep(bed)


def test_nothing_fires_while_all_is_well(watched: Watched, namespace: str) -> None:
    watched.wait_probed(3)
    watched.bed.kube.apply(certificate("web", namespace, ISSUER, [f"web.{DOMAIN}"]))
    watched.bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
    # Until the first scrape nobody was at work.
    told = 'count_over_time(ALERTS{alertname!="VaultIssuerAbsent"}[10m])'
    assert watched.prometheus.query(told) == []
    watched.wait_quiet()


def stop_vault(watched: Watched) -> None:
    watched.bed.vault.stop()


def start_vault(watched: Watched) -> None:
    """What the runbook says in words: start it, unseal it."""
    watched.bed.vault.start(unseal=False)
    watched.follow("VaultIssuerNotReady", "Vault is sealed")


def cut_vault(watched: Watched) -> None:
    watched.vault.cut()


def mend_vault(watched: Watched) -> None:
    watched.vault.mend()


def cut_api(watched: Watched) -> None:
    watched.api.cut()


def mend_api(watched: Watched) -> None:
    watched.api.mend()


def take_approval(watched: Watched) -> None:
    group = "rbac.authorization.k8s.io/v1"
    watched.bed.kube.delete(group, "ClusterRoleBinding", "vault-issuer-approve")


def give_rights(watched: Watched) -> None:
    watched.follow(STALE, "Stage api")


BREAKS: dict[str, tuple[str, str, Callable[[Watched], None], Callable[[Watched], None]]] = {
    "vault": ("issuer", "Stage issuer", stop_vault, start_vault),
    "the network to Vault": ("issuer", "Stage issuer", cut_vault, mend_vault),
    "the network to the API server": ("api", "Look", cut_api, mend_api),
    "the RBAC": ("api", "Look", take_approval, give_rights),
}


@pytest.mark.parametrize("broken", sampled(BREAKS, "vault", "the RBAC"))
def test_the_canarys_alert_fires_with_the_stage_and_ends_when_the_runbook_was_followed(
    watched: Watched, broken: str
) -> None:
    stage, heading, begin, end = BREAKS[broken]
    watched.wait_quiet()
    begin(watched)
    try:
        alert = watched.wait_firing(STALE, stage=stage, name=ISSUER)
        watched.follow(STALE, heading)
    finally:
        end(watched)
    told(watched, alert, broken)
    watched.wait_quiet()


def told(watched: Watched, alert: dict[str, Any], broken: str) -> None:
    """The alert names the stage, and came neither too soon nor too late; how soon is printed.

    Both are by Prometheus' own samples and their times, so that a slow machine changes nothing.
    """
    assert f'"{alert["labels"]["stage"]}"' in alert["annotations"]["description"]
    assert ISSUER in alert["annotations"]["summary"]
    silence, since_last = first_told(watched)
    window = PERIOD * PERIODS
    assert window < silence <= window + RUN + INTERVAL + max(INTERVAL, since_last)
    print(f"{broken}: told after {silence:.1f} s of silence; the window is {window} s")


def first_told(watched: Watched) -> tuple[float, float]:
    """The canary's silence when the last outage's alert first fired, and how long ago the rules ran before.

    Both in seconds. What has the same last success is one outage.
    """
    firing = samples(watched, f"ALERTS{{alertname='{STALE}', alertstate='firing', name='{ISSUER}'}}")
    silences = samples(
        watched, f"vault_issuer:canary_silence_seconds{{name='{ISSUER}'}}"
    )  # no older than these
    success = {moment: moment - silence for moment, silence in silences.items()}
    first = min(one for one in firing if abs(success[one] - success[max(firing)]) < 0.1)
    before = max(one for one in silences if one < first)
    return silences[first], first - before


def samples(watched: Watched, series: str) -> dict[float, float]:
    """The samples of the last minutes, by their time; of several series one."""
    found = watched.prometheus.query(f"{series}[5m]")
    return {float(moment): float(value) for one in found for moment, value in one["values"]}


def test_the_canarys_alert_fires_for_the_policy_and_ends_when_the_runbook_was_followed(
    watched: Watched,
) -> None:
    watched.wait_quiet()
    other = policy("other", {"dnsNames": {"values": ["other.example.test"]}})
    watched.bed.kube.apply(use_binding("other", [EVERYBODY]))
    with only_policies(watched.bed, other):
        alert = watched.wait_firing(STALE, stage="policy", name=ISSUER)
        told(watched, alert, "the policy")
        assert "other" in watched.follow(STALE, "Stage policy")
        watched.apply_shown(STALE, "Stage policy")
        watched.wait_quiet(STALE)
    watched.wait_quiet()


def test_an_issuer_that_is_not_ready_is_told_until_vault_is_unsealed(watched: Watched) -> None:
    watched.wait_quiet()
    watched.bed.vault.seal()
    alert = watched.wait_firing("VaultIssuerNotReady", kind="VaultClusterIssuer", name=ISSUER)
    assert f"VaultClusterIssuer {ISSUER} is not Ready" in alert["annotations"]["summary"]
    assert "VaultSealed" in watched.follow("VaultIssuerNotReady", "Look")
    watched.follow("VaultIssuerNotReady", "Vault is sealed")
    watched.bed.vault.unseal()  # and waits until it serves
    watched.follow("VaultIssuerNotReady", "Verify")
    watched.wait_quiet()


def test_failures_are_told_until_the_role_signs_again(watched: Watched, namespace: str) -> None:
    watched.wait_quiet()
    setup_role(watched.bed.vault, "pki_int", "narrow", [DOMAIN])
    watched.issuer("narrow", "pki_int/sign/narrow", setup_policy(watched.bed.vault, "pki_int", "narrow"))
    setup_role(watched.bed.vault, "pki_int", "narrow", ["elsewhere.example.test"])
    numbers = iter(range(1000))

    def fails() -> bool:
        name = f"refused-{next(numbers)}"
        request(watched.bed, name, namespace, "narrow")
        wait_answer(watched.bed, name, namespace, "Failed")
        return bool(watched.prometheus.firing("VaultIssuerRequestFailures"))

    watched.prometheus.wait("VaultIssuerRequestFailures fires", fails)
    watched.wait_firing("VaultIssuerRequestFailures", severity="critical")
    watched.wait_firing("VaultIssuerRequestFailures", severity="warning")
    assert "not allowed by this role" in watched.follow("VaultIssuerRequestFailures", "Look")
    watched.follow(
        "VaultIssuerRequestFailures",
        "Vault's role refuses what the policies allow",
        **{"roles/lab": "roles/narrow"},
    )
    request(watched.bed, "signed", namespace, "narrow")
    wait_issued(watched.bed, "signed", namespace)
    watched.wait_quiet()
    delete_issuer(watched.bed, "narrow")


@pytest.mark.parametrize(
    ("days", "alert"), [pytest.param(80, 90, marks=LONGER), pytest.param(20, 30, marks=LONGER), (3, 7)]
)
def test_a_ca_that_ends_is_told_until_it_is_rotated(watched: Watched, days: int, alert: int) -> None:
    watched.wait_quiet()
    vault, mount, name = watched.bed.vault, f"pki-ends-{days}", f"VaultIssuerCAExpiresIn{alert}Days"
    mount_pki(vault, mount, 10 * 8760)
    sign_intermediate(vault, watched.layout.root_mount, mount, "first", 24 * days)
    setup_role(vault, mount, "lab")
    watched.issuer(mount, f"{mount}/sign/lab", setup_policy(vault, mount, "lab"))
    watched.wait_firing(name, name=mount)
    names = {"vaultclusterissuer/vault": f"vaultclusterissuer/{mount}", "MOUNT=pki_int": f"MOUNT={mount}"}
    assert "20" in watched.follow(name, "Look", **names)
    watched.follow("VaultIssuerCAExpiresIn30Days", "Rotate an intermediate", **names)
    watched.wait_quiet()
    delete_issuer(watched.bed, mount)


@LONGER
def test_a_certificate_past_its_renewal_time_is_told_until_cert_manager_runs(
    watched: Watched, namespace: str
) -> None:
    watched.wait_quiet()
    # Renewed 25 seconds after it was issued, as cert-manager allows.
    short = certificate("short", namespace, ISSUER, [f"short.{DOMAIN}"], duration="1h", renewBefore="3575s")
    watched.bed.kube.apply(short)
    watched.bed.kube.wait(CERT_MANAGER, "Certificate", "short", namespace)
    watched.bed.cert_manager.process.stop()
    try:
        watched.wait_firing("VaultIssuerCertificatePastRenewal", name=ISSUER)
        assert "short" in watched.follow("VaultIssuerCertificatePastRenewal", "Look")
    finally:
        watched.bed.start_cert_manager()
    watched.wait_quiet()
    watched.bed.kube.delete(CERT_MANAGER, "Certificate", "short", namespace)


def test_a_queue_that_stands_is_told_until_the_limit_is_raised(watched: Watched, namespace: str) -> None:
    watched.wait_quiet()
    watched.issuer("slow", "pki_int/sign/lab", watched.layout.policy, rateLimit={"perSecond": 1, "burst": 1})
    for number in range(40):
        request(watched.bed, f"r{number}", namespace, "slow")
    watched.wait_firing("VaultIssuerQueueStuck")
    assert "perSecond:1" in watched.follow("VaultIssuerQueueStuck", "Look")
    watched.follow(
        "VaultIssuerQueueStuck",
        "The issuer's own limit",
        **{"vaultclusterissuer/vault": "vaultclusterissuer/slow"},
    )
    for number in range(40):
        wait_issued(watched.bed, f"r{number}", namespace)
    watched.wait_quiet()
    delete_issuer(watched.bed, "slow")


def test_a_lost_answer_is_told_with_the_key_to_look_for(watched: Watched, namespace: str) -> None:
    """On a mount of its own, as the runbook looks at each of its certificates."""
    watched.wait_quiet()
    vault, mount = watched.bed.vault, "pki_lossy"
    mount_pki(vault, mount, 8760)
    sign_intermediate(vault, watched.layout.root_mount, mount, "first", 8000)
    setup_role(vault, mount, "lab")
    token = setup_token(vault, setup_policy(vault, mount, "lab"))
    with LosingVault(watched.bed) as losing:
        own = {"server": losing.addr, "caBundle": losing.ca_bundle, "path": f"{mount}/sign/lab"}
        cluster_issuer_with_token(watched.bed, "lossy", token, **own)
        wait_ready(watched.bed, "lossy")
        request(watched.bed, "lost", namespace, "lossy")
        watched.wait_firing("VaultIssuerOutcomeUnknown")
        delete_issuer(watched.bed, "lossy")
    lines = watched.controller.log.read_text().splitlines()
    line = next(one for one in lines if "outcome unknown" in one and f"{namespace}/lost" in one)
    sample = "b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c"
    names = {sample: json.loads(line)["public_key_sha256"], "pki_int": mount}
    found = watched.follow("VaultIssuerOutcomeUnknown", "Look", **names)
    (serial,) = re.findall(r"(?:[0-9a-f]{2}[:-]){15,}[0-9a-f]{2}", found)
    watched.follow("VaultIssuerOutcomeUnknown", "Mend", SERIAL=serial, pki_int=mount)
    assert vault.read(f"{mount}/cert/{serial}")["revocation_time"] > 0
    watched.wait_quiet()


def test_a_spike_of_denials_is_told_until_it_is_over(watched: Watched, namespace: str) -> None:
    watched.wait_quiet()
    other = policy("other", {"dnsNames": {"values": ["other.example.test"]}})
    watched.bed.kube.apply(use_binding("other", [EVERYBODY]))
    with only_policies(watched.bed, other):
        for number in range(6):
            request(watched.bed, f"denied-{number}", namespace, ISSUER)
        alert = watched.wait_firing("VaultIssuerDenialsSpike")
        assert "were denied" in alert["annotations"]["summary"]
        own = {"-n NAMESPACE": f"-n {namespace}", "certificaterequest NAME": "certificaterequest denied-5"}
        looked = watched.follow("VaultIssuerDenialsSpike", "Look", **own)
        assert "denied-5" in looked
        assert "spec.allowed.dnsNames" in looked
        assert "other" in watched.follow("VaultIssuerDenialsSpike", "A policy was changed or lost")
    request(watched.bed, "allowed", namespace, ISSUER)
    wait_issued(watched.bed, "allowed", namespace)
    watched.wait_quiet()


def test_that_nobody_is_at_work_is_told_until_a_controller_runs(watched: Watched) -> None:
    watched.wait_quiet()
    watched.controller.stop()
    watched.wait_firing("VaultIssuerAbsent")
    watched.follow("VaultIssuerAbsent", "Pods run and none leads")
    watched.controller.start()
    watched.wait_probed(1)
    watched.wait_quiet()


def test_every_other_command_of_the_runbooks_works(watched: Watched) -> None:
    wanted = {(page.stem, heading) for page in RUNBOOKS.glob("*.md") for heading in headings(page.stem)}
    assert watched.followed <= wanted
    for alert, heading in sorted(wanted - watched.followed):
        watched.follow(alert, heading)


# What may be empty after such a run, and rightly so.
EMPTY = {
    "certificates_discarded_total": "all that was signed was delivered, unless an outage fell between",
    "certificate_differences_total": "Vault may sign just what was asked",
    "revocations_total": "no issuer has spec.revocation",
    "shard_handovers_total": "the replicas don't share the work",
    "shard_handover_seconds_bucket": "the replicas don't share the work",
    "worker_errors_total": "nothing unexpected happened",
}


def queries() -> list[Any]:
    """Every query of the dashboard, as Grafana would ask it over the last half hour."""
    found = []
    for panel in json.loads(FILE.read_text())["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$__rate_interval", "30m")
            for variable in ("job", "issuer", "namespace"):
                query = query.replace(f"${variable}", ".*")
            if "vault_issuer_agent_" in query:  # tests/agent/test_alerts asks those of an agent
                continue
            found.append(pytest.param(query, id=f"{panel['title']}-{target['refId']}"))
    return found


def metrics_of(query: str) -> set[str]:
    """The metrics of ours that a query reads, without their prefix."""
    return set(re.findall(r"\bvault_issuer_(\w+)", query))


def test_what_may_be_empty_is_asked_for() -> None:
    asked = {name for one in queries() for name in metrics_of(one.values[0])}
    assert EMPTY.keys() <= asked
    assert len(queries()) > 30


@pytest.mark.parametrize("query", queries())
def test_a_query_of_the_dashboard_finds_data(watched: Watched, query: str) -> None:
    assert "$" not in query
    values = [float(one["value"][1]) for one in watched.prometheus.query(query)]
    assert metrics_of(query) & EMPTY.keys() or [value for value in values if not math.isnan(value)]
