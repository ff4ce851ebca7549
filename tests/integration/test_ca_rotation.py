"""`pki rotate` replaces the CA behind an issuer while Certificates are asked for: none is lost."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import certificate
from testbed.vaultpki import DOMAIN, PkiLayout, setup_policy, setup_token
from tests.asking import AsksMeanwhile
from tests.integration.support.common import CERT_MANAGER, REQUEST, ready
from tests.integration.support.scope import Scope, sweep
from tests.integration.support.waiting import wait_until
from tests.sizes import LONGER

ROOT, MOUNT, OLD, NEW = "turn-root", "turn-int", "turn-1", "turn-2"
PAUSE: Final = 0.15
"""Seconds between two Certificates: each costs cert-manager a key, a request and two writes."""
BEFORE: Final = f"""\
foundation:
  mounts:
    {ROOT}:
      tune: {{max_lease_ttl: 9000h}}
      urls: {{issuing_certificates: "http://vault.example.test/v1/{ROOT}/ca"}}
      defaultIssuer: turn-root-1
  authorities:
    turn-root-1: {{mount: {ROOT}, subject: {{commonName: Turn Root}}, lifetime: 8000h, maxPathLength: 1}}
mounts:
  {MOUNT}:
    tune: {{max_lease_ttl: 9000h}}
    urls: {{issuing_certificates: "http://vault.example.test/v1/{MOUNT}/ca"}}
    defaultIssuer: {OLD}
    roles:
      lab: {{allowed_domains: {DOMAIN}, allow_subdomains: true, key_type: any, require_cn: false}}
authorities:
  {OLD}: {{mount: {MOUNT}, signedBy: turn-root-1, subject: {{commonName: Turn 1}}, lifetime: 4000h,
    maxPathLength: 0}}
"""
AFTER: Final = f"""\
{BEFORE}
  {NEW}:
    mount: {MOUNT}
    replaces: {OLD}
    signedBy: turn-root-1
    subject: {{commonName: Turn 2}}
    lifetime: 5000h
    maxPathLength: 0
"""


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """A controller that looks at issuers often."""
    with ControllerProcess(bed, ["--issuer-check-period=1"]) as one:
        yield one
        sweep(bed)


class Trickle(AsksMeanwhile):
    """Certificates that are asked for one after another; `names` are those so far."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(PAUSE)
        self._scope = scope
        self.names: list[str] = []

    def more(self, number: int) -> None:
        """Wait until so many more were asked for."""
        wanted = len(self.names) + number
        wait_until(lambda: len(self.names) >= wanted, "more Certificates are asked for")

    def _ask(self) -> None:
        scope = self._scope
        name = f"c{len(self.names)}"
        one = certificate(name, scope.namespace, scope.name, [f"{name}.{DOMAIN}"], kind=scope.kind)
        scope.bed.kube.apply(one)
        self.names.append(name)


def pki(bed: Testbed, *words: str | Path) -> Result:
    """Run `vault-issuer pki ...`."""
    environment = {
        "VAULT_ADDR": bed.vault.addr,
        "VAULT_CACERT": str(bed.vault.ca_file),
        "VAULT_TOKEN": bed.vault.token,
        "BAO_TOKEN": "",
    }
    ran = CliRunner().invoke(app, ["pki", *map(str, words)], env=environment)
    assert ran.exit_code in (0, 2, 3), (ran.output, ran.exception)
    return ran


def rotation(bed: Testbed, file: Path, *words: str) -> dict[str, Any]:
    """Where the rotation stands, with a look at the cluster."""
    ran = pki(bed, "rotate", "status", "-f", file, "--kubeconfig", bed.kubeconfig, "-o", "json", *words)
    (state,) = json.loads(ran.stdout)["rotations"]
    found: dict[str, Any] = state
    return found


def has_come_to(bed: Testbed, file: Path, phase: str) -> bool:
    """Return True if the rotation is in a phase, and waits for nothing."""
    state = rotation(bed, file)
    return state["phase"] == phase and not state["waitsFor"]


def gates(bed: Testbed, file: Path, *words: str) -> dict[str, str]:
    """The verdicts of the gates, with a look at the cluster."""
    return {one["gate"]: one["verdict"] for one in rotation(bed, file, *words)["gates"]}


def issued_by(request: dict[str, Any]) -> str:
    """Name of the CA that signed a request."""
    (leaf, *_) = x509.load_pem_x509_certificates(base64.b64decode(request["status"]["certificate"]))
    return leaf.issuer.rfc4514_string()


def test_no_certificate_is_lost_while_the_ca_is_replaced(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "pki.yaml"
    file.write_text(BEFORE)
    pki(bed, "apply", "--yes", "-f", file)
    file.write_text(AFTER)
    scope = Scope(bed, namespace, namespace, cluster=False)
    token = setup_token(bed.vault, setup_policy(bed.vault, MOUNT, "lab"))
    scope.apply_with_token(token, path=f"{MOUNT}/sign/lab")
    scope.wait_checked()
    with Trickle(scope).running() as trickle:
        trickle.more(3)
        pki(bed, "rotate", "next", "--yes", "-f", file)
        trickle.more(3)
        assert gates(bed, file) == {"chain": "seen"}
        pki(bed, "rotate", "next", "--yes", "-f", file)
        wait_until(lambda: gates(bed, file)["issuers"] == "seen", "the issuer shows the new CA")
        trickle.more(3)
        wait_until(lambda: gates(bed, file)["signs"] == "seen", "Vault signs with the new CA")
        pki(bed, "rotate", "back", "--yes", "-f", file)
        trickle.more(3)
        pki(bed, "rotate", "next", "--yes", "-f", file)
        trickle.more(3)
    for name in trickle.names:
        bed.kube.wait(CERT_MANAGER, "Certificate", name, namespace, until="Ready=True")
    requests = bed.kube.list(CERT_MANAGER, REQUEST, namespace)
    assert len(requests) == len(trickle.names), "none was asked for twice"
    assert {ready(one).get("status") for one in requests} == {"True"}
    assert {issued_by(one) for one in requests} == {"CN=Turn 1", "CN=Turn 2"}
    found = gates(bed, file)
    assert found == {
        "chain": "seen", "signs": "seen", "roles": "seen", "issuers": "seen", "ended": "not yet"
    }  # fmt: skip
    other = Scope(bed, f"{namespace}-other", namespace, cluster=False)
    other.apply_with_token(token, path=f"{MOUNT}/sign/lab", server="https://127.0.0.1:9")
    assert gates(bed, file)["issuers"] == "can't be seen"
    name = f"VaultIssuer/{namespace}/{other.name}"
    assert gates(bed, file, "--other-vault", name)["issuers"] == "seen"
    other.delete()


@LONGER
def test_no_certificate_is_lost_while_the_old_ca_is_retired_and_deleted(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    """The old CA signed none of them: what lives for an hour would hold its end up for an hour."""
    file = tmp_path / "pki.yaml"
    tidy = "autoTidy: {enabled: true, tidy_cert_store: true, interval_duration: 12h, safety_buffer: 1}"
    before, after = (
        text.replace("turn-", "gone-").replace(
            "    defaultIssuer: gone-1", f"    {tidy}\n    defaultIssuer: gone-1"
        )
        for text in (BEFORE, AFTER)
    )
    for text, words in ((before, ["apply"]), (after, ["rotate", "next"]), (after, ["rotate", "next"])):
        file.write_text(text)
        pki(bed, *words, "--yes", "-f", file)
    scope = Scope(bed, namespace, namespace, cluster=False)
    token = setup_token(bed.vault, setup_policy(bed.vault, "gone-int", "lab"))
    scope.apply_with_token(token, path="gone-int/sign/lab")
    scope.wait_checked()
    with Trickle(scope).running() as trickle:
        trickle.more(2)
        for phase in ("retire", "delete", "done"):
            wait_until(partial(has_come_to, bed, file, phase), f"it has come to {phase}")
            pki(bed, "rotate", "next", "--yes", "-f", file, "--kubeconfig", bed.kubeconfig)
            trickle.more(2)
    for name in trickle.names:
        bed.kube.wait(CERT_MANAGER, "Certificate", name, namespace, until="Ready=True")
    requests = bed.kube.list(CERT_MANAGER, REQUEST, namespace)
    assert len(requests) == len(trickle.names), "none was asked for twice"
    assert {issued_by(one) for one in requests} == {"CN=Turn 2"}
    assert "ready to sign" in scope.wait_ready()
