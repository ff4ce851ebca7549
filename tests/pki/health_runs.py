"""`pki health` run on a real OpenBao, for tests of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, written


def health(vault: Vault, *words: str | Path, **environment: str) -> tuple[int, list[dict[str, Any]]]:
    """Run `pki health`, and return exit code and findings."""
    ran = vault.run("health", "-o", "json", *words, **environment)
    assert ran.stdout, ran.output
    found: list[dict[str, Any]] = json.loads(ran.stdout)["findings"]
    return ran.exit_code, found


def of(findings: list[dict[str, Any]], check: str, *severities: str) -> list[dict[str, Any]]:
    """The findings of one check, of some severities."""
    wanted = severities or ("informational", "warning", "critical", "not_checked")
    return [one for one in findings if one["check"] == check and one["severity"] in wanted]


def healthy(vault: Vault, folder: Path) -> Path:
    """Return the file of a CA whose URLs are Vault's own, and that signs for no localhost; applied."""
    address = f"{vault.bao.addr}/v1"
    text = TWO_TIER.replace("http://vault.example.test:8200/v1", address)
    text = text.replace("{{cluster_aia_path}}/issuer/{{issuer_id}}/crl/der", f"{address}/${{T}}-int/crl")
    text = text.replace("allow_subdomains: true", "allow_subdomains: true\n        allow_localhost: false")
    file = written(folder, text)
    vault.apply(file)
    return file


def issuing_mount(vault: Vault, end: str, fields: dict[str, Any], *, ttl: str = "87600h") -> str:
    """A mount with a root that signs leaves, and one role."""
    mount = f"{vault.name}-{end}"
    vault.bao.call("POST", f"sys/mounts/{mount}", {"type": "pki", "config": {"max_lease_ttl": ttl}})
    body = {"common_name": f"{end} root", "ttl": ttl, "key_type": "ec", "issuer_name": f"{end}-ca"}
    vault.bao.write(f"{mount}/root/generate/internal", body)
    vault.bao.call("POST", f"{mount}/roles/web", {"key_type": "ec", **fields})
    return mount
