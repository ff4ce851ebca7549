"""Plan and apply on a real OpenBao: everything made in order, again without a write, by identity."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written


def test_a_two_tier_ca_is_planned_applied_and_then_the_plan_is_empty(vault: Vault, tmp_path: Path) -> None:
    file = written(tmp_path, TWO_TIER)
    planned = vault.run("plan", "-f", file)
    assert planned.exit_code == 2, planned.output
    vault.apply(file)
    again = vault.plan(file)
    assert actions(again) == []
    before = len(vault.requests())
    vault.apply(file)
    assert vault.writes_since(before) == []


MORE: Final = (
    ("  auth:\n", """\
  auth:
    ${T}-cert: {type: cert, config: {disable_binding: true}}
"""),
    ("authorities:\n  ${T}-int-2026:\n", """\
  ${T}-env:
    tune: {max_lease_ttl: 8760h}
    urls: {ocsp_servers: "http://vault.example.test:8200/v1/${T}-env/ocsp"}
authorities:
  ${T}-env-2026:
    mount: ${T}-env
    signedBy: ${T}-int-2026
    subject: {commonName: Environment CA}
    lifetime: 8760h
    maxPathLength: 0
  ${T}-int-2026:
"""),
    ("    maxPathLength: 0\n", "    maxPathLength: 1\n"),
    ("      maxPathLength: 1\n", "      maxPathLength: 2\n"),
    ("    crl: {auto", """\
    acme: {enabled: true, default_directory_policy: "role:web", allowed_roles: [web],
           allowed_issuers: ["${T}-int-2026"], eab_policy: always-required}
    crl: {auto"""),
)  # fmt: skip
"""What the two-tier file lacks: a third CA, listed before its signer, ACME, and a login's config."""
CA: Final = r"[^/]+/(root/|intermediate/|issuers/import/|issuer/|key/).+"
STAGES: Final = (
    r"sys/mounts/[^/]+",
    r"[^/]+/config/cluster",
    r"[^/]+/config/urls",
    CA,
    r"[^/]+/config/issuers",
    r"[^/]+/roles/.+",
    r"[^/]+/config/(crl|auto-tidy)",
    r"[^/]+/config/acme",
    r"sys/policies/acl/.+",
    r"sys/auth/[^/]+",
    r"auth/[^/]+/config",
    r"auth/[^/]+/(role|certs)/.+",
)
"""Paths of writes in the order of an apply. Audit devices, which OpenBao has no API for, go before."""


def test_an_apply_writes_in_its_order(vault: Vault, tmp_path: Path) -> None:
    text = TWO_TIER
    for old, new in MORE:
        assert old in text
        before, _, after = text.rpartition(old)
        text = f"{before}{new}{after}"
    file = written(tmp_path, text)
    start = len(vault.requests())
    vault.apply(file)
    writes = [path.rstrip("/") for path in vault.writes_since(start)]
    stages = [
        next((at for at, stage in enumerate(STAGES) if re.fullmatch(stage, path)), path) for path in writes
    ]
    assert stages == sorted(stages, key=str if not all(isinstance(one, int) for one in stages) else None)
    assert set(stages) == set(range(len(STAGES)))
    making = [path.partition("/")[0].rpartition("-")[2] for path in writes if re.fullmatch(CA, path)]
    assert list(dict.fromkeys(making)) == ["root", "int", "env"]  # the signer's own calls come between
    signing = [path for path in writes if path.endswith("/sign-intermediate")]
    name = vault.name
    assert signing == [
        f"{name}-root/issuer/{name}-root-2026/sign-intermediate",
        f"{name}-int/issuer/{name}-int-2026/sign-intermediate",
    ]
    assert actions(vault.plan(file)) == []
