"""Consumers of `agent.yaml`: one way each, and sets that exist; anything else is refused with its line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import load_agent_file
from issuer.manifests.errors import BadInput


def read(folder: Path, *consumers: dict[str, Any]) -> AgentFile:
    web = {"name": "web", "folder": "/tls/web", "path": "pki/sign/web", "dnsNames": ["a.example.com"]}
    data = {
        "vault": {"server": "https://vault.example.com:8200", "login": {"token": {"file": "/token"}}},
        "certificates": [web, {**web, "name": "api", "folder": "/tls/api"}],
        "caChains": [{"name": "cas", "folder": "/tls/cas", "mount": "pki"}],
        "consumers": list(consumers),
    }
    (folder / "agent.yaml").write_text(yaml.safe_dump(data, sort_keys=False))
    return load_agent_file(str(folder / "agent.yaml"))


def consumer(**fields: Any) -> dict[str, Any]:
    return {"name": "nginx", "sets": ["web", "api", "cas"], "command": ["/usr/sbin/nginx"], **fields}


def test_each_way_is_read(tmp_path: Path) -> None:
    ways: list[dict[str, Any]] = [
        {"command": ["/usr/sbin/nginx", "-s", "reload"]},
        {"signal": {"pidFile": "/run/nginx.pid", "exe": "/usr/sbin/nginx", "signal": "USR1"}},
        {"systemd": {"unit": "nginx@a.service", "userUnit": True, "verb": "reload-or-restart"}},
        {"haproxy": {"socket": "/run/h.sock", "certificates": [{"set": "web", "file": "/e/web.pem"}]}},
        {"container": {"socket": "/run/p.sock", "names": ["web"], "exec": ["nginx", "-s", "reload"]}},
    ]
    for way in ways:
        given = {"name": "a", "sets": ["web"], "endpoints": [{"address": "[::1]:25", "startTls": "smtp"}]}
        [found] = read(tmp_path, {**given, **way, "timeout": "5s"}).consumers
        assert found.served_set(found.endpoints[0], ["web", "api"]) == "web"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sets": ["nothing"]}, 'there is no certificate and no CA chain "nothing"'),
        ({"command": ["nginx", "-s", "reload"]}, "absolute path of a program; there is no shell"),
        ({"signal": {"pidFile": "/a", "exe": "/b"}}, "needs exactly one of command, signal"),
        ({"endpoints": [{"address": "127.0.0.1:443"}]}, "which of the certificates is served there?"),
        ({"endpoints": [{"address": "127.0.0.1:443", "set": "cas"}]}, "is no certificate of this consumer"),
        ({"endpoints": [{"address": "127.0.0.1", "set": "web"}]}, "is not host:port"),
        ({"timeout": "2h"}, "timeout"),
        ({"user": 0}, "must be text"),
        (
            {
                "command": None,
                "haproxy": {"socket": "/s", "certificates": [{"set": "cas", "file": "/a.pem"}]},
            },
            "is no certificate of this consumer",
        ),
        (
            {
                "command": None,
                "haproxy": {"socket": "/s", "certificates": [{"set": "web", "file": "/a.pem;quit"}]},
            },
            'file: must be the name that "show ssl cert" prints',
        ),
        ({"command": None, "systemd": {"unit": "--now"}}, "unit: must be the name of a systemd unit"),
        ({"name": "Nginx"}, "consumers.0.name: must be up to 63 lower-case letters"),
    ],
)
def test_what_can_t_be_a_consumer_is_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, consumer(**fields))
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/agent.yaml:")


def test_consumer_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match='"nginx" is given twice'):
        read(tmp_path, consumer(), consumer())


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_root_reads_no_file_that_others_may_write(tmp_path: Path) -> None:
    read(tmp_path, consumer())
    (tmp_path / "agent.yaml").chmod(0o666)
    with pytest.raises(BadInput, match="as the agent runs as root: everybody may write"):
        load_agent_file(str(tmp_path / "agent.yaml"))
