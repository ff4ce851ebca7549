"""The canary names the stage that is really broken, and recovers; the command tells it stage by stage."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from testbed.certs import private_key_pem
from testbed.cluster import Testbed
from testbed.controller import RBAC, ControllerProcess
from testbed.forking import run_command, vault_issuer
from testbed.kube import load
from testbed.samples import EVERYBODY, certificate, policy, use_binding
from testbed.vaultpki import PkiLayout, setup_policy, setup_role, setup_token
from tests.builders import csr_pem
from tests.ca import TestCA
from tests.integration.support.canaries import (
    NAME,
    Probed,
    TLSServer,
    arguments,
    probing,
    requests,
    rights,
)
from tests.integration.support.common import (
    CERT_MANAGER,
    cluster_issuer_with_token,
    delete_issuer,
    only_policies,
    signed_csrs,
    wait_ready,
)
from tests.integration.support.waiting import wait_until
from tests.sizes import sampled

ISSUER = "probed"  # of the Vault role, and of the namespace, too
STAGES = ["api", "controller", "policy", "issuer", "chain", "endpoint"]


@dataclass(frozen=True, slots=True)
class Canary:
    """A controller whose canary probes, and the endpoint it dials."""

    bed: Testbed
    probed: Probed
    server: TLSServer
    chain: bytes
    key: bytes

    def serve_secret(self) -> None:
        """The endpoint serves the Secret of the canary's Certificate."""
        self.server.serve(self.chain, self.key)


@pytest.fixture(scope="module")
def canary(bed: Testbed, layout: PkiLayout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Canary]:
    """One for this module, with a Vault role of its own; all is well."""
    setup_role(bed.vault, layout.mount, ISSUER)
    token = setup_token(bed.vault, setup_policy(bed.vault, layout.mount, ISSUER), ttl="4h")
    bed.create_namespace(ISSUER)
    bed.kube.apply(rights(ISSUER))
    cluster_issuer_with_token(bed, ISSUER, token, path=f"{layout.mount}/sign/{ISSUER}")
    server = TLSServer(tmp_path_factory.mktemp("endpoint"))
    with ControllerProcess(bed, arguments(ISSUER, ISSUER, f"--canary-endpoint={server.address}")) as one:
        wait_ready(bed, ISSUER)
        bed.kube.apply(certificate("canary", ISSUER, ISSUER, [NAME], duration="2h", renewBefore="1h"))
        bed.kube.wait(CERT_MANAGER, "Certificate", "canary", ISSUER)
        data = bed.kube.get("v1", "Secret", "canary-tls", ISSUER)["data"]
        chain, key = (base64.b64decode(data[name]) for name in ("tls.crt", "tls.key"))
        found = Canary(bed, Probed(one, ISSUER), server, chain, key)
        found.serve_secret()
        found.probed.wait_success()
        yield found
    server.close()
    bed.kube.delete(CERT_MANAGER, "Certificate", "canary", ISSUER)
    delete_issuer(bed, ISSUER)


def test_a_good_run_goes_all_the_way_and_is_measured(canary: Canary) -> None:
    probed, signed = canary.probed, len(signed_csrs(canary.bed, f"pki_int/sign/{ISSUER}"))
    before = time.time()
    probed.wait_success()
    assert (probed.value("last_success_timestamp_seconds") or 0) >= before
    assert probed.value("last_success_timestamp_seconds") == probed.value("last_run_timestamp_seconds")
    assert 0 < (probed.value("last_duration_seconds") or 0) < 60
    leaf = x509.load_pem_x509_certificate(canary.chain)
    assert probed.value("not_after_timestamp_seconds") == leaf.not_valid_after_utc.timestamp()
    assert [probed.value("failing", stage=stage) for stage in STAGES] == [0] * len(STAGES)
    assert "vault_issuer_canary_period_seconds 2.0" in probed.controller.metrics()
    assert len(signed_csrs(canary.bed, f"pki_int/sign/{ISSUER}")) >= signed + 2
    # Each is deleted when it was looked at: at most the one under way is there.
    assert len(requests(canary.bed, ISSUER)) <= 1


Break = Callable[[Canary], AbstractContextManager[None]]


@contextmanager
def sealed(canary: Canary) -> Iterator[None]:
    canary.bed.vault.seal()
    try:
        yield
    finally:
        canary.bed.vault.unseal()


@contextmanager
def stopped(canary: Canary) -> Iterator[None]:
    canary.bed.vault.stop()
    try:
        yield
    finally:
        canary.bed.vault.start()


@contextmanager
def without_role(canary: Canary) -> Iterator[None]:
    canary.bed.vault.call("DELETE", f"pki_int/roles/{ISSUER}")
    try:
        yield
    finally:
        setup_role(canary.bed.vault, "pki_int", ISSUER)


@contextmanager
def other_names(canary: Canary) -> Iterator[None]:
    setup_role(canary.bed.vault, "pki_int", ISSUER, ["example.org"])
    try:
        yield
    finally:
        setup_role(canary.bed.vault, "pki_int", ISSUER)


@contextmanager
def backdating(canary: Canary) -> Iterator[None]:
    """What Vault signs is due for renewal at once, so the controller refuses to deliver it."""
    setup_role(canary.bed.vault, "pki_int", ISSUER, not_before_duration="48h")
    try:
        yield
    finally:
        setup_role(canary.bed.vault, "pki_int", ISSUER)


@contextmanager
def no_policy(canary: Canary) -> Iterator[None]:
    with only_policies(canary.bed):
        yield


@contextmanager
def refusing_policy(canary: Canary) -> Iterator[None]:
    bound = use_binding("others", [EVERYBODY])
    canary.bed.kube.apply(bound)
    try:
        with only_policies(canary.bed, policy("others", {"dnsNames": {"values": ["other.example.org"]}})):
            yield
    finally:
        for one in bound:
            canary.bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])


@contextmanager
def without_right_to_create(canary: Canary) -> Iterator[None]:
    (role,) = [one for one in rights(ISSUER) if one["kind"] == "Role"]
    canary.bed.kube.apply({**role, "rules": [{**role["rules"][0], "verbs": ["delete"]}]})
    try:
        yield
    finally:
        canary.bed.kube.apply(role)


@contextmanager
def without_right_to_delete(canary: Canary) -> Iterator[None]:
    (role,) = [one for one in rights(ISSUER) if one["kind"] == "Role"]
    canary.bed.kube.apply({**role, "rules": [{**role["rules"][0], "verbs": ["create"]}]})
    try:
        yield
    finally:
        canary.bed.kube.apply(role)


@contextmanager
def without_right_to_approve(canary: Canary) -> Iterator[None]:
    version, kind = "rbac.authorization.k8s.io/v1", "ClusterRoleBinding"
    canary.bed.kube.delete(version, kind, "vault-issuer-approve")
    try:
        yield
    finally:
        canary.bed.kube.apply(RBAC)


@contextmanager
def without_right_to_write_status(canary: Canary) -> Iterator[None]:
    (role,) = [
        one for one in load(RBAC) if (one["kind"], one["metadata"]["name"]) == ("ClusterRole", "vault-issuer")
    ]
    left = [rule for rule in role["rules"] if "certificaterequests/status" not in rule["resources"]]
    canary.bed.kube.apply({**role, "rules": left})
    try:
        yield
    finally:
        canary.bed.kube.apply(role)


@contextmanager
def without_api_server(canary: Canary) -> Iterator[None]:
    canary.bed.stop_apiserver()
    try:
        yield
    finally:
        canary.bed.start_apiserver()


@contextmanager
def other_certificate(canary: Canary) -> Iterator[None]:
    """The endpoint serves the right name under another CA."""
    now, key = datetime.now(UTC), ec.generate_private_key(ec.SECP256R1())
    leaf = TestCA.make(now).sign(csr_pem(NAME, key=key).decode(), now=now).leaf_pem
    canary.server.serve(leaf.encode(), private_key_pem(key))
    try:
        yield
    finally:
        canary.serve_secret()


BREAKS: dict[str, tuple[Break, str, str]] = {
    "vault-sealed": (sealed, "issuer", "VaultSealed"),
    "vault-stopped": (stopped, "issuer", "VaultUnreachable"),
    "role-removed": (without_role, "issuer", "RoleNotFound"),
    "role-for-other-names": (other_names, "issuer", "RefusedByVault"),
    "role-that-backdates": (backdating, "chain", "TooShortToRenew"),
    "policy-deleted": (no_policy, "policy", "No CertificateRequestPolicy exists"),
    "policy-for-other-names": (refusing_policy, "policy", "dnsNames"),
    "right-to-create": (without_right_to_create, "api", "create, get and delete"),
    "right-to-delete": (without_right_to_delete, "api", "Grant delete"),
    "right-to-approve": (without_right_to_approve, "api", "approve"),
    "right-to-write-status": (without_right_to_write_status, "api", "StatusWriteRefused"),
    "api-server-stopped": (without_api_server, "api", "API server"),
    "endpoint-of-another-ca": (other_certificate, "endpoint", "doesn't verify"),
}


@pytest.mark.parametrize(
    "what",
    sampled(
        BREAKS,
        "role-for-other-names",
        "role-that-backdates",
        "policy-for-other-names",
        "right-to-approve",
        "endpoint-of-another-ca",
    ),
)
def test_a_stage_that_breaks_is_named_with_what_to_do_and_recovers(canary: Canary, what: str) -> None:
    breaking, stage, told = BREAKS[what]
    success = canary.probed.value("last_success_timestamp_seconds")
    with breaking(canary):
        canary.probed.wait_broken(stage)
        canary.probed.wait_told(stage, told)
        assert (canary.probed.value("runs_total", result="failure") or 0) > 0
        assert canary.probed.value("last_success_timestamp_seconds") != 0
    canary.probed.wait_success()
    assert (canary.probed.value("last_success_timestamp_seconds") or 0) > (success or 0)
    # What could not be deleted meanwhile is gone, too; one may be under way.
    assert len(requests(canary.bed, ISSUER)) <= 1


def test_status_names_a_canary_that_fails(canary: Canary) -> None:
    with without_role(canary):
        canary.probed.wait_broken("issuer")
        wait_until(lambda: failing(canary.bed), "status names no failing canary")


def failing(bed: Testbed) -> list[str]:
    """What `vault-issuer status` says needs attention about the canary."""
    done = run_command("status", f"--kubeconfig={bed.kubeconfig}", "-o", "json")
    assert done.stdout, done.stderr
    attention = json.loads(done.stdout)["attention"]
    return [one for one in attention if one.startswith("the canary of ") and "RoleNotFound" in one]


def test_the_command_passes_every_stage(canary: Canary, tmp_path: Path, layout: PkiLayout) -> None:
    root = tmp_path / "root.pem"
    root.write_text(layout.root_pem)
    more = (f"--endpoint={canary.server.address}", f"--ca-file={root}")
    done = run_command(*probing(canary.bed, ISSUER, ISSUER, *more))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines[: len(STAGES)]] == [[stage, "ok"] for stage in STAGES]
    assert "all stages passed" in done.stdout
    assert requests(canary.bed, ISSUER, "cli") == []


def test_the_command_prints_json(canary: Canary) -> None:
    done = run_command(*probing(canary.bed, ISSUER, ISSUER, "-o", "json"))
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert (found["ok"], found["stage"], found["issuer"]) == (True, None, f"VaultClusterIssuer/{ISSUER}")
    assert [one["stage"] for one in found["steps"]] == STAGES[:-1]
    assert datetime.fromisoformat(found["notAfter"]) > datetime.now(UTC)


def test_the_command_says_which_stage_broke_and_what_to_do(canary: Canary) -> None:
    with no_policy(canary):
        done = run_command(*probing(canary.bed, ISSUER, ISSUER, "--timeout=3"))
    assert done.returncode == 1
    assert "stage policy broke" in done.stdout
    assert "must be bound to its use" in done.stdout
    assert "waiting: No CertificateRequestPolicy exists" in done.stderr
    with other_certificate(canary):
        words = probing(canary.bed, ISSUER, ISSUER, f"--endpoint={canary.server.address}", "-o", "json")
        done = run_command(*words)
    assert (done.returncode, json.loads(done.stdout)["stage"]) == (1, "endpoint")
    assert requests(canary.bed, ISSUER, "cli") == []
    canary.probed.wait_success()


def test_ctrl_c_deletes_the_commands_request(canary: Canary) -> None:
    with sealed(canary):
        # A shell's background job, which CI may be, ignores SIGINT, and so would its children.
        running = subprocess.Popen(
            [
                "env",
                "--default-signal=INT",
                vault_issuer(),
                *probing(canary.bed, ISSUER, ISSUER, "--timeout=600"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: requests(canary.bed, ISSUER, "cli"), "the command made no request")
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=60)
        assert running.returncode == 130
        assert "Interrupted" in told
        assert requests(canary.bed, ISSUER, "cli") == []
    canary.probed.wait_success()
