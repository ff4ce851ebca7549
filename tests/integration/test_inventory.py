"""An inventory of a real OpenBao, joined with what a real cluster uses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import certificate
from testbed.vaultpki import PkiLayout, setup_token
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
