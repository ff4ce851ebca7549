"""An inventory of a real OpenBao, joined with what a real cluster uses."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import certificate
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.canaries import TLSServer
from tests.integration.support.common import (
    CERT_MANAGER,
    cluster_issuer_with_token,
    delete_issuer,
    wait_issued,
)

ISSUER = "inventoried"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[None]:
    """One controller and one issuer for this module."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]):
        cluster_issuer_with_token(bed, ISSUER, setup_token(bed.vault, layout.policy))
        yield
        delete_issuer(bed, ISSUER)


def run(bed: Testbed, *words: str) -> list[dict[str, Any]]:
    """Run a command, and return its certificates."""
    env = {
        "KUBECONFIG": str(bed.kubeconfig),
        "VAULT_ADDR": bed.vault.addr,
        "VAULT_CACERT": str(bed.vault.ca_file),
        "VAULT_TOKEN": bed.vault.token,
        "BAO_TOKEN": "",
    }
    ran = CliRunner().invoke(app, [*words, "-o", "json"], env=env)
    assert ran.exit_code == 0, ran.output
    found: list[dict[str, Any]] = json.loads(ran.stdout)["certificates"]
    return found


def inventory(bed: Testbed, name: str, *words: str) -> list[dict[str, Any]]:
    """Return the certificates of a name."""
    return run(bed, "inventory", "--name", name, *words)


def test_a_certificate_is_joined_with_what_uses_it(bed: Testbed, namespace: str, layout: PkiLayout) -> None:
    name = f"{namespace}.lab.example.test"
    bed.kube.apply(certificate("web", namespace, ISSUER, (name,)))
    wait_issued(bed, "web-1", namespace)
    bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
    bed.vault.write(
        f"{layout.mount}/issue/{layout.role}", {"common_name": name, "ttl": "1h", "key_type": "ec"}
    )
    left, used = inventory(bed, name, "--secrets")
    assert left["usedBy"] == []
    assert used["mount"] == layout.mount
    assert [(one["kind"], one["name"]) for one in used["usedBy"]] == [
        ("certificate", f"{namespace}/web"),
        ("secret", f"{namespace}/web-tls"),
    ]
    assert inventory(bed, name, "--unused") == [left]
    (planned,) = run(bed, "revoke", "certificate/web", "-n", namespace, "--dry-run")
    assert (planned["serial"], planned["decision"]) == (used["serial"], "revoke")
    assert f"kubectl vault-issuer renew web -n {namespace}" in planned["next"][0]
    (done,) = run(bed, "revoke", "secret/web-tls", "-n", namespace, "--yes")
    assert (done["serial"], done["revoked"], done["onCRL"]) == (used["serial"], True, True)


def test_a_server_that_goes_on_with_another_certificate_than_its_secrets_is_told(
    bed: Testbed, namespace: str, tmp_path: Path
) -> None:
    """As after a renewal that the server wasn't told of."""
    name = f"{namespace}.lab.example.test"
    bed.kube.apply(certificate("web", namespace, ISSUER, (name,)))
    bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
    server = TLSServer(tmp_path)
    options = ["--kubeconfig", str(bed.kubeconfig), "-n", namespace]
    words = [
        "verify",
        "endpoint",
        server.address,
        "--server-name",
        name,
        "--ca-file",
        str(tmp_path / "ca.crt"),
    ]
    try:
        serve_secret(bed, namespace, server, tmp_path / "ca.crt")
        assert verified(*words, *options, "--secret", "web-tls") == (0, [])
        assert CliRunner().invoke(app, ["renew", "web", *options]).exit_code == 0
        wait_issued(bed, "web-2", namespace)
        bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace, until=is_second)
        assert verified(*words, *options, "--secret", "web-tls") == (1, ["OtherCertificate"])
        serve_secret(bed, namespace, server, tmp_path / "ca.crt")
        assert verified(*words, *options, "--secret", f"{namespace}/web-tls") == (0, [])
    finally:
        server.close()
    none = CliRunner().invoke(app, [*words, *options, "--secret", "none"])
    assert none.exit_code == 2, none.output
    assert f'there is no Secret "none" in namespace "{namespace}"' in none.output


def is_second(found: Object) -> bool:
    """Return True once a Certificate has been renewed once, and its Secret is written."""
    return bool((found.get("status") or {}).get("revision") == 2)


def serve_secret(bed: Testbed, namespace: str, server: TLSServer, ca_file: Path) -> None:
    """Have a server read the Secret of the Certificate, and write its CA into a file."""
    secret = bed.kube.get("v1", "Secret", "web-tls", namespace)["data"]
    chain, key, root = (base64.b64decode(secret[one]) for one in ("tls.crt", "tls.key", "ca.crt"))
    ca_file.write_bytes(root)
    server.serve(chain, key)


def verified(*words: str) -> tuple[int, list[str]]:
    """Return the exit code and the codes of the problems of one endpoint."""
    ran = CliRunner().invoke(app, [*words, "-o", "json"])
    assert ran.stdout, (ran.output, ran.exception)
    (found,) = json.loads(ran.stdout)["endpoints"]
    return ran.exit_code, [one["code"] for one in found["problems"]]
