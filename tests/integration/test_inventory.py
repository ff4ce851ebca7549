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


def serves_its_secret(bed: Testbed, folder: Path, namespace: str, name: str) -> None:
    """See that a server with the certificate of a Secret is found to serve it."""
    secret = bed.kube.get("v1", "Secret", "web-tls", namespace)["data"]
    chain, key, root = (base64.b64decode(secret[one]) for one in ("tls.crt", "tls.key", "ca.crt"))
    ca_file = folder / "ca.crt"
    ca_file.write_bytes(root)
    server = TLSServer(folder)
    server.serve(chain, key)
    words = ["verify", "endpoint", server.address, "--server-name", name, "--kubeconfig", str(bed.kubeconfig)]
    words += ["--ca-file", str(ca_file), "--secret"]
    try:
        good = CliRunner().invoke(app, [*words, f"{namespace}/web-tls"])
        assert good.exit_code == 0, good.output
        none = CliRunner().invoke(app, [*words, "none", "-n", namespace])
        assert none.exit_code == 2, none.output
        assert f'there is no Secret "none" in namespace "{namespace}"' in none.output
    finally:
        server.close()


def inventory(bed: Testbed, name: str, *words: str) -> list[dict[str, Any]]:
    """Return the certificates of a name."""
    return run(bed, "inventory", "--name", name, *words)


def test_a_certificate_is_joined_with_what_uses_it(
    bed: Testbed, namespace: str, layout: PkiLayout, tmp_path: Path
) -> None:
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
    serves_its_secret(bed, tmp_path, namespace, name)
    (planned,) = run(bed, "revoke", "certificate/web", "-n", namespace, "--dry-run")
    assert (planned["serial"], planned["decision"]) == (used["serial"], "revoke")
    assert f"kubectl vault-issuer renew web -n {namespace}" in planned["next"][0]
    (done,) = run(bed, "revoke", "secret/web-tls", "-n", namespace, "--yes")
    assert (done["serial"], done["revoked"], done["onCRL"]) == (used["serial"], True, True)
