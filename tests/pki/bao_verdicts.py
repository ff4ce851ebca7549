"""The verdicts of `bao pki health-check`, which ours are compared with."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from testbed.servers import find_bao
from tests.pki.support import Vault

BAO_CHECKS = {
    "ca_validity_period",
    "crl_validity_period",
    "hardware_backed_root",
    "root_issued_leaves",
    "role_allows_localhost",
    "role_allows_glob_wildcards",
    "role_no_store_false",
    "audit_visibility",
    "allow_if_modified_since",
    "enable_auto_tidy",
    "tidy_last_run",
    "too_many_certs",
    "enable_acme_issuance",
    "allow_acme_headers",
}
Verdicts = dict[tuple[str, str], str]
"""The gravest status of each check on each path."""


def worst(found: list[tuple[str, str, str]]) -> Verdicts:
    """The gravest status by check and path."""
    order = ["not_applicable", "ok", "informational", "warning", "critical"]
    result: Verdicts = {}
    for check, path, status in found:
        key = (check, path.strip("/"))
        result[key] = max(result.get(key, status), status, key=order.index)
    return result


def of_bao(vault: Vault, mount: str, config: Path) -> Verdicts:
    """The verdicts of the real `bao pki health-check`."""
    ran = subprocess.run(
        [find_bao().path, "pki", "health-check", "-format=json", f"-health-config={config}", mount],
        env={
            **os.environ,
            "BAO_ADDR": vault.bao.addr,
            "BAO_CACERT": str(vault.bao.ca_file),
            "BAO_TOKEN": vault.bao.token,
            "HOME": str(config.parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    results = json.loads(ran.stdout)
    assert set(results) == BAO_CHECKS
    return worst([(name, one["endpoint"], one["status"]) for name, found in results.items() for one in found])


def in_vault(mount: str, endpoint: str) -> str:
    """The path that `bao` names: it tells ACME's directory by the path that has its address."""
    return f"{mount}/config/cluster" if "://" in endpoint else endpoint
