"""Which servers the VaultIssuers of a namespace may use, and what they are told of who answers there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION, vault_issuer
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.common import ready, token_auth, wait_reason
from tests.integration.support.recording_vault import Recorder, recording
from tests.integration.support.scope import Scope, sweep

SECRET = "db_password=hunter2 from 10.0.0.7"


def internal_service(path: str, ca_pem: str) -> tuple[int, object]:
    """Some service of the network that answers JSON, and has an error for everything."""
    return 400, {"errors": [SECRET, "the second line of an internal service"]}


def issuer_at(bed: Testbed, name: str, namespace: str, server: str, **more: Any) -> None:
    """A VaultIssuer for that server, whose Secret is not there, and may not be read."""
    issuer = vault_issuer(bed, name, namespace, token_auth("none"))
    issuer["spec"]["vault"] |= {"server": server, **more}
    if server.startswith("http:"):
        issuer["spec"]["vault"].pop("caBundle", None)
    bed.kube.apply(issuer)


def port_of(address: str) -> str:
    return address.rpartition(":")[2]


def test_what_ships_keeps_vault_issuers_off_special_addresses_before_a_secret_is_read(
    bed: Testbed, layout: PkiLayout, namespace: str, cluster: Scope
) -> None:
    port = port_of(bed.vault.addr)
    servers = [
        bed.vault.addr,
        *(f"https://{host}:{port}" for host in ("localhost", "127.1", "2130706433", "0x7f.1")),
        f"https://[::ffff:127.0.0.1]:{port}",
        f"https://[64:ff9b::127.0.0.1]:{port}",
        f"https://0.0.0.0:{port}",
        "http://169.254.169.254",
    ]
    with ControllerProcess(bed, ["--issuer-check-period=2"], allowed_servers=()) as controller:
        lines = [json.loads(one) for one in controller.log.read_text().splitlines() if one[:1] == "{"]
        assert "--allowed-servers" in next(one["advice"] for one in lines if "any server" in one["event"])
        for number, server in enumerate(servers):
            issuer_at(bed, f"at-{number}", namespace, server)
        for number in range(len(servers)):
            told = wait_reason(bed, f"at-{number}", "ServerNotAllowed", namespace)
            assert "spec.vault.server" in told
            assert "namespacedIssuers.allowedServers" in told
        cluster.apply_with_token(setup_token(bed.vault, layout.policy))
        cluster.works()
    sweep(bed)


@pytest.fixture(scope="module")
def vault_like(
    bed: Testbed, layout: PkiLayout, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Recorder]:
    """A server that answers as Vault does until it is asked to sign, and then redirects to `unlisted`."""
    target = {"port": ""}

    def answer(path: str, ca_pem: str) -> tuple[int, object]:
        if path.endswith("/ca_chain"):
            return 200, ca_pem
        if path.endswith("/lookup-self"):
            return 200, {"data": {"ttl": 3600, "renewable": True}}
        return 307, f"https://127.0.0.1:{target['port']}{path}"

    ca_pem = layout.intermediate_pem + layout.root_pem
    folder = tmp_path_factory.mktemp("redirecting")
    (folder / "unlisted").mkdir()
    with recording(folder, ca_pem, answer) as one, recording(folder / "unlisted", ca_pem) as other:
        target["port"] = port_of(other.address)
        one.unlisted = other
        yield one


@pytest.fixture(scope="module")
def internal(layout: PkiLayout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """A listed server that is no Vault."""
    with recording(tmp_path_factory.mktemp("internal"), "", internal_service) as one:
        yield one


@pytest.fixture(scope="module")
def controller(bed: Testbed, vault_like: Recorder, internal: Recorder) -> Iterator[ControllerProcess]:
    """A controller that lets VaultIssuers use three ports of loopback."""
    ports = (port_of(one) for one in (bed.vault.addr, vault_like.address, internal.address))
    with ControllerProcess(
        bed, ["--issuer-check-period=2"], allowed_servers=[f"127.0.0.1:{port}" for port in ports]
    ) as one:
        yield one
    sweep(bed)


def test_only_listed_servers_are_used(
    bed: Testbed, layout: PkiLayout, controller: ControllerProcess, vault_like: Recorder, namespace: str
) -> None:
    own = Scope(bed, namespace, namespace, cluster=False)
    own.apply_with_token(setup_token(bed.vault, layout.policy))
    assert vault_like.unlisted is not None
    unlisted = vault_like.unlisted.address
    issuer_at(bed, "other-port", namespace, unlisted)
    issuer_at(bed, "other-name", namespace, "https://vault.example.com:8200")
    issuer_at(bed, "by-name", namespace, bed.vault.addr.replace("127.0.0.1", "localhost"))
    for name in ("other-port", "other-name"):
        assert "--allowed-servers" in wait_reason(bed, name, "ServerNotAllowed", namespace)
    # It leads to a listed address: what is missing is the Secret (or, by an earlier test, the right to it).
    bed.kube.wait(
        API_VERSION,
        "VaultIssuer",
        "by-name",
        namespace,
        until=lambda item: ready(item).get("reason") in {"SecretForbidden", "SecretNotFound"},
    )
    own.works()


def test_a_redirect_to_a_port_that_is_not_listed_is_not_followed(
    bed: Testbed, controller: ControllerProcess, vault_like: Recorder, scope: Scope
) -> None:
    scope.store(token="hvs.to-be-redirected")
    more = {"server": vault_like.address, "caBundle": vault_like.ca_bundle}
    scope.apply({"tokenSecretRef": scope.reference("token")}, **more)
    assert "307" in scope.wait_reason("UnexpectedAnswer") or scope.cluster
    assert vault_like.was_sent("hvs.to-be-redirected")
    assert vault_like.unlisted is not None
    assert vault_like.unlisted.calls == []


def test_what_an_internal_service_says_is_not_in_the_status(
    bed: Testbed, controller: ControllerProcess, internal: Recorder, namespace: str
) -> None:
    own = Scope(bed, namespace, namespace, cluster=False)
    own.grant()
    own.store(token="hvs.for-nobody")
    more = {"server": f"{internal.address}/internal", "caBundle": internal.ca_bundle}
    own.apply({"tokenSecretRef": own.reference("token")}, **more)
    told = own.wait_reason("UnexpectedAnswer")
    assert "400 (application/json)" in told
    status = json.dumps(bed.kube.get(API_VERSION, "VaultIssuer", namespace, namespace)["status"])
    assert "hunter2" not in status
    assert "internal service" not in status
    assert "hunter2" not in controller.log.read_text()
    assert not internal.was_sent("hvs.for-nobody"), "a token is for who has shown a CA chain"
    assert ready(bed.kube.get(API_VERSION, "VaultIssuer", namespace, namespace))["status"] == "False"
