"""The set-ups in config/agent, each run as it stands: a NAS, an app, an app's user and a proxy's user.

Only addresses, places and the PKI mount are this machine's. Roles are those that the files' comments tell.
"""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import shlex
import ssl
from pathlib import Path

import pytest
import yaml

from issuer.agent.config.reading import load_agent_file
from issuer.endpoint.address import parse_endpoint
from issuer.endpoint.dialing import DialOptions, dial
from testbed.errors import TestbedError
from testbed.web_servers import find_web_server
from tests.agent.servers import RunningServer, nginx, python_server
from tests.agent.support import Machine
from tests.unit.agent.hooks.engine import Engine, listening

FOLDER = Path(__file__).parents[2] / "config" / "agent"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "alerts")
MANY = {"timeout": "5m", "verifyWithin": "10m"}
"""A busy machine is no failure of the agent's."""


def text_of(example: str) -> str:
    return (FOLDER / f"{example}.yaml").read_text()


def role_of(text: str) -> tuple[str, dict[str, str]]:
    """Return the role that the comment of an example has made, by name."""
    lines = [line.removeprefix("#") for line in text.splitlines() if line.startswith("#")]
    comment = "\n".join(lines).replace("\\\n", " ")
    [command] = [line for line in comment.splitlines() if "pki_int/roles/" in line]
    name, *fields = shlex.split(command.partition("pki_int/roles/")[2])
    return name, dict(one.split("=", 1) for one in fields)


def begun(machine: Machine, example: str, **replaced: str) -> None:
    """Give the machine an example as its `agent.yaml`, and make what its comment says."""
    text = text_of(example)
    if "pki_int/roles" in text:
        name, fields = role_of(text)
        machine.bao.write(f"{machine.name}/roles/{name}", fields)
        rules = "".join(
            f'path "{machine.name}/{path}" {{ capabilities = ["update"] }}\n'
            for path in (f"sign/{name}", "revoke-with-key")
        )
        machine.bao.write(f"sys/policies/acl/{machine.name}", {"policy": rules})
    for usual, own in {
        "https://vault.example.com:8200": machine.bao.addr,
        "/etc/vault-issuer/vault-ca.pem": str(machine.bao.ca_file),
        "pki_int": machine.name,
        "/etc/vault-issuer": str(machine.folder),
        **replaced,
    }.items():
        text = text.replace(usual, own)
    machine.data = {**yaml.safe_load(text), "stateFolder": str(machine.folder / "state")}
    for consumer in machine.data["consumers"]:
        consumer |= {"user": getpass.getuser(), **MANY}


async def verified(server: RunningServer, name: str, machine: Machine) -> int:
    """Shake hands as a client that trusts the root alone; returns the serial that is served."""
    root = machine.bao.read(f"{machine.name}/cert/ca")["certificate"]
    context = ssl.create_default_context(cadata=root)
    host, _, port = server.address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=context, server_hostname=name)
    writer.close()
    found = await dial(parse_endpoint(server.address), DialOptions(name))
    return found.leaf.serial_number


def serial(machine: Machine) -> int:
    return int(machine.status()["serial"].replace(":", ""), 16)


@pytest.mark.parametrize("example", EXAMPLES)
def test_example_is_taken_as_it_stands(example: str) -> None:
    assert load_agent_file(str(FOLDER / f"{example}.yaml")).consumers


def test_nas_serves_a_certificate_of_90_days(machine: Machine) -> None:
    try:
        find_web_server("nginx")
    except TestbedError as error:
        pytest.skip(str(error))
    tls = machine.folder / "tls"
    begun(machine, "nas", **{"/srv/tls": str(tls)})
    consumers = machine.data.pop("consumers")
    machine.once()
    with nginx(machine.folder / "rustfs", tls / "rustfs_cert.pem", key=tls / "rustfs_key.pem") as server:
        restart = machine.folder / "docker"
        restart.write_text(
            f"#!/bin/sh\n[ \"$*\" = 'restart rustfs' ] && kill -HUP $(cat {server.pid_file})\n"
        )
        restart.chmod(0o755)
        consumers[0]["command"][0] = str(restart)
        consumers[0]["endpoints"][0]["address"] = server.address
        machine.data["consumers"] = consumers
        assert machine.run("check").exit_code == 0
        assert "rustfs: told" in machine.run("renew", "nas").stdout
        assert asyncio.run(verified(server, "s3.lab.example.com", machine)) == serial(machine)
    status = machine.status()
    assert status["state"] == "Fresh"
    assert status["notAfter"][:7] != status["notBefore"][:7]


def test_app_serves_lives_of_a_day(machine: Machine) -> None:
    tls = machine.folder / "api"
    begun(machine, "app", **{"/etc/ssl/api": str(tls)})
    made = machine.bao.call("POST", "auth/token/create", {"policies": [machine.name], "ttl": "1h"})
    (machine.folder / "token").write_text(made["auth"]["client_token"])
    consumers = machine.data.pop("consumers")
    machine.once()
    with python_server(machine.folder / "app", tls / "api.pem") as server:
        consumers[0] |= server.hook()
        consumers[0]["endpoints"][0]["address"] = server.address
        machine.data["consumers"] = consumers
        assert "api: told" in machine.run("renew", "api").stdout
        assert asyncio.run(verified(server, "api-v2.example.com", machine)) == serial(machine)
    assert {"api.pem", "api.crt", "api.key", "ca-chain.crt"} < {path.name for path in tls.iterdir()}


async def test_app_agent_tells_the_containers_of_its_owner(machine: Machine) -> None:
    engine = Engine(containers())
    async with listening(engine, machine.folder) as socket:
        begun(
            machine,
            "app-agent",
            **{
                "/home/app/.config/vault-issuer/vault-ca.pem": str(machine.bao.ca_file),
                "/home/app/.config/vault-issuer": str(machine.folder),
                "/home/app/tls": str(machine.folder / "tls"),
                "/run/user/1001/podman/podman.sock": socket,
            },
        )
        ran = await asyncio.to_thread(machine.once)
        assert "containers: told" in ran.stdout
    assert engine.said == ["web: nginx -s reload"]
    assert (machine.folder / "tls" / "app.key").stat().st_mode & 0o777 == 0o600


async def test_proxy_agent_keeps_cas_without_a_token(machine: Machine) -> None:
    engine = Engine(containers())
    root = machine.bao.read(f"{machine.name}/cert/ca")["certificate"]
    async with listening(engine, machine.folder) as socket:
        begun(
            machine,
            "proxy-agent",
            **{
                "/home/proxy/.config/vault-issuer/vault-ca.pem": str(machine.bao.ca_file),
                "/home/proxy/tls/ca": str(machine.folder / "ca"),
                "/run/user/1002/podman/podman.sock": socket,
            },
        )
        refused = await asyncio.to_thread(machine.run, "once")
        assert refused.exit_code == 1
        assert "not in that of rootFingerprint" in refused.stderr
        machine.data["caChains"][0]["rootFingerprint"] = fingerprint(root)
        logins = len(machine.bao.audited("auth/approle/login", "request"))
        assert "containers: told" in (await asyncio.to_thread(machine.once)).stdout
    assert engine.said == ["proxy: nginx -s reload"]
    assert (machine.folder / "ca" / "ca.crt").read_text().strip() == root.strip()
    assert len(machine.bao.audited("auth/approle/login", "request")) == logins


def containers() -> dict[str, dict[str, str]]:
    """Containers of two owners, and one that nobody may tell."""
    return {
        "web": {"tls": "true", "owner": "app"},
        "proxy": {"tls": "true", "owner": "proxy"},
        "other": {"owner": "app"},
    }


def fingerprint(pem: str) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
