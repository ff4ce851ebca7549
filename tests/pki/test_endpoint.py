"""`verify endpoint` against real servers: OpenBao itself, and nginx with certificates of a mount."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from issuer.cli.main import app
from testbed.cluster import REPOSITORY
from testbed.errors import TestbedError
from testbed.processes import PATIENCE
from testbed.web_servers import find_web_server
from tests.agent.servers import RunningServer, nginx
from tests.docs.console import console
from tests.pki.stores import Store, new_store
from tests.pki.support import Vault
from tests.pki.urls import Published


def verified(vault: Vault, *words: str | Path) -> list[str]:
    """The codes of the problems of one endpoint."""
    texts = ["verify", "endpoint", *map(str, words), "-o", "json"]
    ran = CliRunner().invoke(app, texts, env=vault.environment())
    assert ran.exit_code in (0, 1), (ran.output, ran.exception)
    found: list[dict[str, Any]] = json.loads(ran.stdout)["endpoints"]
    problems = [one["code"] for each in found for one in each["problems"]]
    assert ran.exit_code == bool(problems)
    return problems


def issued(store: Store, path: Path) -> dict[str, Any]:
    """Issue a certificate into a combined PEM, as a hook does before its server is reloaded."""
    answer = store.issue("www.example.test")
    path.write_text(answer["certificate"] + "\n" + answer["private_key"] + "\n")
    return answer


def process_of(server: RunningServer) -> int:
    """The number of nginx's first process."""
    assert server.process is not None
    return server.process.pid


def publish(store: Store, web: Published) -> None:
    """Publish the mount's list as it is now, in DER."""
    pem = str(store.vault.bao.read(f"{store.mount}/issuer/lab/crl")["crl"])
    web.files["/crl"] = x509.load_pem_x509_crl(pem.encode()).public_bytes(Encoding.DER)


def test_the_commands_of_the_page_are_run(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with OpenBao in the place of the page's servers."""
    blocks = [
        block for block in console(REPOSITORY / "docs" / "endpoints.md") if "test_endpoint" in block.run_by
    ]
    assert len(blocks) == 4
    monkeypatch.chdir(tmp_path)
    address = urlsplit(vault.bao.addr).netloc
    env = {"SSL_CERT_FILE": str(vault.bao.ca_file)}
    for block in blocks:
        (step,) = block.steps
        words = [address if ".example.com:" in one else one for one in step.script.split()]
        ran = CliRunner().invoke(app, words[1:], env=env)
        assert ran.exit_code == 0, ran.output
        assert address in ran.stdout


def test_openbao_itself_is_verified(vault: Vault) -> None:
    address = urlsplit(vault.bao.addr).netloc
    assert verified(vault, address, "--ca-file", vault.bao.ca_file) == []
    assert verified(vault, address) == ["UnknownCA"]
    assert verified(vault, address, "--ca-file", vault.bao.ca_file, "--server-name", "other.test") == [
        "NameMissing"
    ]


def test_a_web_server_is_verified_to_the_mount_that_signed(vault: Vault, tmp_path: Path) -> None:
    """Whether the name is in, whether it is revoked, and whether the server has read what was renewed."""
    try:
        find_web_server("nginx")
    except TestbedError as error:
        pytest.skip(str(error))
    store = new_store(vault)
    combined = tmp_path / "web.pem"
    with Published() as web:
        urls = {"crl_distribution_points": [f"{web.url}/crl"]}
        vault.bao.call("POST", f"{store.mount}/config/urls", urls)
        first = issued(store, combined)
        publish(store, web)
        with nginx(tmp_path / "nginx", combined) as server:
            words = (server.address, "--server-name", "www.example.test", "--mount", store.mount, "--crl")
            assert verified(vault, *words, "--file", combined) == []
            issued(store, combined)
            assert verified(vault, *words, "--file", combined) == ["OtherCertificate"]
            store.revoke(first)
            publish(store, web)
            assert verified(vault, *words) == ["Revoked"]
            os.kill(process_of(server), signal.SIGHUP)
            deadline = time.monotonic() + PATIENCE
            while verified(vault, *words, "--file", combined):
                assert time.monotonic() < deadline, "nginx goes on with the old certificate"
