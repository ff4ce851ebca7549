"""The status page on a real cluster: what it knows, and that the API server decides who may look.

How it looks and behaves in a browser is in tests/browser.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from issuer.statuspage.web.server import PATH
from testbed.certs import ServerFiles, write_server
from testbed.chart import render
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.processes import free_port
from testbed.vaultpki import PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    cluster_issuer_with_token,
    request,
    wait_answer,
    wait_issued,
    wait_ready,
)
from tests.integration.support.scope import sweep

RBAC = "rbac.authorization.k8s.io/v1"
READER = "status-reader"


def fetch(url: str, token: str = "", context: ssl.SSLContext | None = None) -> tuple[int, str]:
    """Status and text of an answer; 0 when nobody answers."""
    asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(asked, timeout=30, context=context) as got:
            return int(got.status), got.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError:
        return 0, ""


def until(look: Callable[[], tuple[int, str]], holds: Callable[[int, str], bool]) -> str:
    """Look again and again until it holds; the text."""
    status, text = 0, ""
    for _ in range(1200):
        status, text = look()
        if holds(status, text):
            return text
        time.sleep(0.2)
    raise AssertionError(f"it never held: {status} {text[-2000:]}")


@pytest.fixture
def issuer(bed: Testbed, layout: PkiLayout, namespace: str) -> str:
    """A cluster issuer with a token, named after the test."""
    cluster_issuer_with_token(bed, namespace, setup_token(bed.vault, layout.policy))
    return namespace


@pytest.fixture(autouse=True)
def swept(bed: Testbed) -> Iterator[None]:
    """Nothing is left for later tests."""
    yield
    sweep(bed)


def first_event(url: str) -> dict[str, str]:
    """The parts that a stream begins with."""
    with urllib.request.urlopen(f"{url}/events", timeout=30) as got:
        for line in got:
            if line.startswith(b"data: "):
                parts: dict[str, str] = json.loads(line[6:])["parts"]
                return parts
    raise AssertionError("the stream ended")


def test_the_page_knows_issuers_requests_and_why_they_wait(bed: Testbed, namespace: str, issuer: str) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with ControllerProcess(bed, ["--issuer-check-period=2", f"--status-address=127.0.0.1:{port}"]):
        wait_ready(bed, issuer)
        request(bed, "good", namespace, issuer)
        request(bed, "refused", namespace, issuer, csr=csr_pem("www.example.com"))
        request(bed, "nowhere", namespace, "no-such-issuer")
        wait_issued(bed, "good", namespace)
        wait_answer(bed, "refused", namespace, "Failed")
        wait_answer(bed, "nowhere", namespace, "Pending")
        text = until(lambda: fetch(url), lambda _, text: f"{namespace}/nowhere" in text)
        assert "there is no VaultClusterIssuer &quot;no-such-issuer&quot;" in text
        assert f"<b>{issuer}</b>" in text
        assert "pki_int/sign/lab" in text
        assert f"{namespace}/good" in fetch(f"{url}/?state=issued")[1]
        failed = fetch(f"{url}/?state=failed")[1]
        assert f"{namespace}/refused" in failed
        assert "www.example.com" in failed
        assert f"{namespace}/nowhere" in first_event(url)["requests"]
        secret = bed.kube.get("v1", "Secret", f"{issuer}-token", SYSTEM_NAMESPACE)
        token = base64.b64decode(secret["data"]["token"]).decode().strip()
        assert token
        for shown in (text, fetch(f"{url}/?state=issued")[1], failed):
            assert token not in shown


def test_a_replica_that_stands_by_says_who_leads(bed: Testbed) -> None:
    port = free_port()
    bed.kube.delete("coordination.k8s.io/v1", "Lease", "vault-issuer", SYSTEM_NAMESPACE)
    with ControllerProcess(bed, leader_elect=True) as leader:
        found = bed.kube.wait(
            "coordination.k8s.io/v1",
            "Lease",
            "vault-issuer",
            SYSTEM_NAMESPACE,
            until=lambda one: bool(one["spec"].get("holderIdentity")),
        )
        holder = str(found["spec"]["holderIdentity"])
        assert leader.running
        with ControllerProcess(bed, [f"--status-address=127.0.0.1:{port}"], leader_elect=True):
            text = until(
                lambda: fetch(f"http://127.0.0.1:{port}"),
                lambda status, text: holder.rpartition("_")[0] in text,
            )
            assert "This replica stands by" in text
    bed.kube.delete("coordination.k8s.io/v1", "Lease", "vault-issuer", SYSTEM_NAMESPACE)


# Elsewhere than on loopback ------------------------------------------------------


def page_rights() -> list[Object]:
    """What the chart grants the controller for a page that has a login."""
    values = {"statusPage": {"enabled": True, "address": ":9403", "tls": {"secretName": "x"}}}
    return [one for one in render(values) if one["metadata"]["name"] == "vault-issuer-status-page"]


def may_read(subject: str) -> list[Object]:
    """The grant that docs/status-page.md shows, for a ServiceAccount of the system's namespace."""
    return [
        {
            "apiVersion": RBAC,
            "kind": "ClusterRole",
            "metadata": {"name": READER},
            "rules": [{"nonResourceURLs": [PATH], "verbs": ["get"]}],
        },
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": READER},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": READER},
            "subjects": [{"kind": "ServiceAccount", "name": subject, "namespace": SYSTEM_NAMESPACE}],
        },
    ]


class Page:
    """A page that has a login, and who asks."""

    def __init__(self, bed: Testbed, files: ServerFiles) -> None:
        self.bed, self.port = bed, free_port()
        self.context = ssl.create_default_context(cafile=str(files.ca))
        self.arguments = [
            f"--status-address=0.0.0.0:{self.port}",
            f"--status-tls-cert={files.cert}",
            f"--status-tls-key={files.key}",
        ]

    def look(self, token: str = "") -> tuple[int, str]:
        """As whoever has the token."""
        return fetch(f"https://127.0.0.1:{self.port}/", token, self.context)


@pytest.fixture
def page(bed: Testbed, tmp_path: Path) -> Iterator[Page]:
    """Nobody may look yet, and the controller may not ask."""
    yield Page(bed, write_server(tmp_path, "status"))
    for one in [*page_rights(), *may_read("x")]:
        bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])


def test_the_api_server_decides_who_may_look_and_for_how_long(bed: Testbed, page: Page) -> None:
    reader = bed.service_account_token(SYSTEM_NAMESPACE, "reader")
    stranger = bed.service_account_token(SYSTEM_NAMESPACE, "stranger")
    elsewhere = bed.service_account_token(SYSTEM_NAMESPACE, "reader", audiences=["vault"])
    bed.kube.apply([*page_rights(), *may_read("reader")])
    with ControllerProcess(bed, page.arguments) as controller:
        until(lambda: page.look(reader), lambda status, text: status == 200 and "Issuers" in text)
        assert page.look()[0] == 401
        assert page.look("nonsense")[0] == 401
        assert page.look(elsewhere)[0] == 401
        status, text = page.look(stranger)
        assert status == 403
        assert PATH in text
        assert fetch(f"http://127.0.0.1:{page.port}/")[0] in (0, 400)
        bed.kube.delete(RBAC, "ClusterRoleBinding", READER)
        until(lambda: page.look(reader), lambda status, _: status == 403)
        assert reader not in controller.log.read_text()


def test_without_the_right_to_ask_nobody_is_let_in_and_the_log_says_what_is_missing(
    bed: Testbed, page: Page
) -> None:
    reader = bed.service_account_token(SYSTEM_NAMESPACE, "reader")
    bed.kube.apply(may_read("reader"))
    with ControllerProcess(bed, page.arguments) as controller:
        text = until(lambda: page.look(reader), lambda status, _: status == 503)
        assert "can't say now who may look" in text
        assert "create of tokenreviews" in controller.log.read_text()
        assert reader not in controller.log.read_text()


def test_metrics_by_tls_are_for_whom_the_api_server_lets_read_them(
    bed: Testbed, page: Page, tmp_path: Path
) -> None:
    scraper = bed.service_account_token(SYSTEM_NAMESPACE, "scraper")
    stranger = bed.service_account_token(SYSTEM_NAMESPACE, "stranger")
    values = {"metrics": {"tls": {"secretName": "metrics-tls"}}}
    names = ("vault-issuer-metrics", "vault-issuer-metrics-reader")
    rights = [one for one in render(values, namespace=SYSTEM_NAMESPACE) if one["metadata"]["name"] in names]
    subject = {"kind": "ServiceAccount", "name": "scraper", "namespace": SYSTEM_NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": names[1]}
    reads = {"apiVersion": RBAC, "kind": "ClusterRoleBinding", "metadata": {"name": READER}}
    bed.kube.apply([*rights, {**reads, "roleRef": role, "subjects": [subject]}])
    with ControllerProcess(bed, metrics_tls=write_server(tmp_path, "metrics")) as controller:

        def scrape(token: str = "") -> tuple[int, str]:
            return fetch(controller.url("metrics"), token, controller.tls)

        assert "vault_issuer_leader 1.0" in until(lambda: scrape(scraper), lambda status, _: status == 200)
        assert scrape()[0] == scrape("nonsense")[0] == 401
        assert scrape(stranger)[0] == 403
        assert scraper not in controller.log.read_text()
    for one in rights:
        bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])


def test_an_address_that_others_reach_is_refused_without_tls(bed: Testbed) -> None:
    controller = ControllerProcess(bed, [f"--status-address=0.0.0.0:{free_port()}"])
    controller.start(wait=False)
    until(lambda: (int(controller.running), ""), lambda running, _: not running)
    assert controller.process.returncode == 2
    assert "--status-tls-cert" in controller.log.read_text()
