"""What the status page is told is what stores, queue and registry hold at that moment."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from issuer.controller.canary.history import CanaryRun, Stage
from issuer.controller.leadership.ownership import Alone
from issuer.controller.process.options import ControllerOptions, OptionsError, PageOptions, WatchOptions
from issuer.controller.process.page.expiring import DAYS, SOONEST, STEP, count_ends
from issuer.controller.process.page.source import StatusSource
from issuer.controller.process.wiring import Components
from issuer.controller.state.watched.certificates import KIND, Certificate
from issuer.kube.client import KubeClient
from issuer.kube.watching.reflector import Reflector
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.issuers import IssuerKey
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.statuspage.model import Expiring, Query
from issuer.statuspage.recent import Recent
from issuer.statuspage.requests import requests
from issuer.statuspage.sections import sections
from issuer.statuspage.snapshot import SLICE, take
from tests.builders import NOW, certificate_request, condition, csr_pem, issuer_object, signing_request
from tests.unit.controller.fakes import ScriptedKube
from tests.unit.turns import counted_turns

VAULT = IssuerKey("VaultClusterIssuer", "", "demo")
CSR = csr_pem("a.lab.example.test")
DAY = 86400.0


def components_of(**options: Any) -> Components:
    return Components(ControllerOptions(**options), cast(KubeClient, ScriptedKube()), Alone())


def source_of(components: Components) -> StatusSource:
    return StatusSource(components.options, components, None, None, Recent())


def waiting(name: str, message: str = "") -> dict[str, Any]:
    conditions = [condition("Ready", "False", "Pending", message)] if message else None
    return certificate_request(name, request=CSR, conditions=conditions, username="alice")


async def test_a_request_waits_stands_in_line_or_is_worked_on() -> None:
    components = components_of()
    store = components.state.requests[CertificateRequest]
    for name in ("a", "b", "c"):
        store.upsert(waiting(name, f"{name} waits"))  # each is news, and stands in line
    worked_on = await components.queues.requests.get()
    source = source_of(components)

    def where() -> dict[str, tuple[str, str]]:
        return {one.request: (one.where, one.reason) for some in source.slices() for one in some}

    assert where() == {
        "team-a/a": ("work", "a waits"),
        "team-a/b": ("line", "b waits"),
        "team-a/c": ("line", "c waits"),
    }
    components.queues.requests.done(worked_on)
    assert where()["team-a/a"] == ("waiting", "a waits")
    assert source.created("team-a/a") == datetime(2026, 11, 22, 11, 59, 59, tzinfo=UTC)
    assert source.created("team-a/none") is None
    assert source.work().open == 3
    assert source.work().in_line == 2


async def test_why_a_csr_waits_is_known_though_its_status_cannot_say_so() -> None:
    components = components_of()
    obj = signing_request("one")
    components.state.requests[KubernetesCSR].upsert(obj)
    key = await components.queues.requests.get()
    components.queues.requests.done(key)
    components.reconcilers.requests.reporter.waits_by_event[key] = (
        obj["metadata"]["uid"],
        "no policy applies",
    )
    source = source_of(components)
    ((found,),) = source.slices()
    assert (found.request, found.where, found.reason) == (
        "CertificateSigningRequest one",
        "waiting",
        "no policy applies",
    )
    assert source.created(found.request) is not None
    components.reconcilers.requests.reporter.waits_by_event[key] = ("another-uid", "of one before it")
    ((found,),) = source.slices()
    assert found.reason == ""


def issuer_with(status: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**issuer_object(**more), "status": status}


async def test_an_issuer_is_told_as_its_status_says() -> None:
    components = components_of()
    status = {
        "conditions": [condition("Ready", "False", "Sealed", "Vault is sealed: unseal it")],
        "caSubject": "CN=Lab",
        "caNotAfter": "2031-11-22T12:00:00Z",
        "warnings": ["two methods"],
    }
    server = "https://user:password@vault.example.test:8200/x?token=y"
    components.state.issuers["VaultClusterIssuer"].upsert(issuer_with(status, server=server))
    components.canaries.add(VAULT, CanaryRun(NOW, 1.5, Stage.ISSUER, "sealed"))
    (found,) = source_of(components).issuers()
    assert (found.key, found.ready, found.reason) == ("VaultClusterIssuer demo", False, "Sealed")
    assert (found.server, found.path) == ("vault.example.test:8200", "pki_int/sign/lab")
    assert found.ca_ends == datetime(2031, 11, 22, 12, tzinfo=UTC)
    assert found.warnings == ("two methods",)
    assert [(one.stage, one.well) for one in found.canary] == [("issuer", False)]


async def test_an_issuer_of_another_backend_is_told_with_its_server_and_path() -> None:
    components = components_of()
    status = {"conditions": [condition("Ready", "True", "Ready", "ready to sign")]}
    spec = {"url": "https://ca.example.test:9000/x", "provisioner": {"name": "admin", "kid": "k"}}
    step = {**issuer_with(status), "kind": "StepClusterIssuer", "spec": spec}
    components.state.issuers["StepClusterIssuer"].upsert(step)
    (found,) = source_of(components).issuers()
    assert (found.key, found.ready) == ("StepClusterIssuer demo", True)
    assert (found.server, found.path) == ("ca.example.test:9000", "admin")


async def test_an_issuer_that_is_new_or_odd_breaks_nothing() -> None:
    components = components_of()
    store = components.state.issuers["VaultClusterIssuer"]
    store.upsert(issuer_object("new"))
    store.upsert(issuer_with({"caNotAfter": "never"}, name="odd", server="https://[bad"))
    found = {one.name: one for one in source_of(components).issuers()}
    assert found["new"].ready is None
    assert found["odd"].server == ""
    assert found["odd"].ca_ends is None


def certificate(name: str, ends: float | None, renews: float | None = None) -> Certificate:
    """One that ends, and is to be renewed, so many days from now."""
    now = NOW.timestamp()
    not_after = None if ends is None else now + ends * DAY
    return Certificate(
        "team-a", name, VAULT, not_after, None if renews is None else now + renews * DAY, ready=True
    )


async def test_certificates_are_counted_by_when_they_end_and_whether_their_renewal_is_overdue() -> None:
    found = await count_ends(
        [
            certificate("soon", 0.3, renews=0.1),
            certificate("late", 0.3, renews=-0.5),
            certificate("just due", 3, renews=-60 / DAY),
            certificate("gone", -1, renews=-10),
            certificate("far", 400),
            certificate("new", None),
        ],
        NOW,
    )
    assert found.begins == datetime(2026, 11, 22, tzinfo=UTC)
    assert len(found.on_time) == len(found.late) == DAYS * 4
    at = int((timedelta(hours=12) + timedelta(days=0.3)) / STEP)
    assert (found.on_time[at], found.late[at]) == (1, 1)
    assert sum(found.on_time) == 2
    assert (found.ended, found.overdue, found.total) == (1, 2, 6)
    assert [one.name for one in found.soonest][:3] == ["team-a/gone", "team-a/soon", "team-a/late"]
    assert [one.late for one in found.soonest][:3] == [True, False, True]


async def test_of_many_certificates_the_first_to_end_are_named_and_others_work_meanwhile() -> None:
    async with counted_turns() as turns:
        found = await count_ends((certificate(f"c{n}", 300 - n / 100) for n in range(20_000)), NOW)
    assert len(found.soonest) == SOONEST
    assert found.soonest[0].name == "team-a/c19999"
    assert turns.count >= 20


async def test_certificates_that_are_not_watched_yet_are_not_counted_as_none() -> None:
    components = components_of()
    assert await source_of(components).expiring(NOW) == "counting"
    reflector = components.watches.reflectors[KIND]
    assert isinstance(reflector, Reflector)
    reflector._source.refused = True  # RBAC withholds them
    assert await source_of(components).expiring(NOW) == "unwatched"
    none = components_of(watch=WatchOptions(certificates=False))
    assert await source_of(none).expiring(NOW) == "unwatched"


async def test_the_first_certificate_is_counted_at_once() -> None:
    components = components_of()
    reflector = components.watches.reflectors[KIND]
    assert isinstance(reflector, Reflector)
    reflector.synced.set()
    source = source_of(components)

    async def total(seconds: float) -> int:
        found = await source.expiring(NOW + timedelta(seconds=seconds))
        assert isinstance(found, Expiring)
        return found.total

    def appears(name: str) -> None:
        metadata = {"namespace": "team-a", "name": name, "uid": name, "resourceVersion": "1"}
        reference = {"group": "vault-issuer.io", "kind": "VaultClusterIssuer", "name": "demo"}
        spec = {"issuerRef": reference, "secretName": name}
        components.state.certificates.upsert({"metadata": metadata, "spec": spec, "status": {}})

    assert await total(0) == 0
    appears("first")
    assert await total(1) == 1
    appears("second")
    assert await total(2) == 1  # later ones when it is counted again
    assert await total(30) == 2


async def test_the_command_that_explains_names_the_request_or_issuer() -> None:
    components = components_of()
    components.state.issuers["VaultIssuer"].upsert(
        {**issuer_object("own"), "kind": "VaultIssuer", "metadata": {"name": "own", "namespace": "team-a"}}
    )
    components.state.issuers["VaultClusterIssuer"].upsert(issuer_object("demo"))
    source = source_of(components)
    assert source.explain("team-a/web-1") == "kubectl vault-issuer explain web-1 -n team-a"
    assert source.explain("CertificateSigningRequest agent") == "kubectl vault-issuer explain csr/agent"
    assert {one.name: one.explain for one in source.issuers()} == {
        "own": "kubectl vault-issuer explain vaultissuer/own -n team-a",
        "demo": "kubectl vault-issuer explain vaultclusterissuer/demo",
    }


async def test_twenty_thousand_open_requests_hold_up_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Others get the loop after each slice of them; time and bytes of a look are printed."""
    components = components_of()
    store = components.state.requests[CertificateRequest]
    for number in range(20_000):
        store.upsert(waiting(f"r{number}", f"policy {number % 7} does not apply"))
    source, queries = source_of(components), (Query(), Query(text="r1999"), Query("line"))
    async with counted_turns() as turns:
        await asyncio.sleep(0)
        began = time.perf_counter()
        snapshot = await take(source, queries, NOW)
        looked = time.perf_counter() - began
    html = {**sections(snapshot), "requests": requests(snapshot, Query("line"))}
    rendered = time.perf_counter() - began - looked
    size = sum(len(one.encode()) for one in html.values())
    with capsys.disabled():
        print(
            f"\n  20,000 open requests, three lists: a look takes {looked * 1000:.0f} ms with at most "
            f"{turns.longest * 1000:.1f} ms between two turns of others, the page {rendered * 1000:.1f} ms "
            f"and {size:,} bytes"
        )
    assert turns.count >= 20_000 // SLICE
    assert snapshot.in_line == 20_000
    assert snapshot.listed[Query("line")].total == 20_000
    assert size < 100_000


@pytest.mark.parametrize(
    ("options", "about"),
    [
        ({"address": ":9403"}, "--status-tls-cert"),
        ({"address": "10.0.0.1:9403", "tls_cert": Path("a")}, "--status-tls-key"),
        (
            {"address": "127.0.0.1:9403", "tls_cert": Path("a"), "tls_key": Path("b")},
            "not loopback",
        ),
        ({"tls_key": Path("b")}, "--status-address"),
    ],
)
def test_tls_and_an_address_that_wants_it_go_together(options: dict[str, Any], about: str) -> None:
    with pytest.raises(OptionsError, match=about):
        PageOptions(**options)


def test_loopback_needs_no_tls_and_no_address_is_no_page() -> None:
    assert not PageOptions("localhost:9403").exposed
    assert not PageOptions().exposed
    assert PageOptions(":9403", Path("a"), Path("b")).exposed
