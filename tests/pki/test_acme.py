"""ACME from a file on a real OpenBao: closed, by roles and issuers that are there, and left alone after."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final

import pytest

from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written

ACME: Final = """\
    acme:
      enabled: true
      default_directory_policy: role:web
      allowed_roles: [web, other]
      allowed_issuers: ["${T}-int-2026", "${T}-hand"]
      eab_policy: always-required
"""
OWN: Final = ACME.replace(", other", "").replace(', "${T}-hand"', "")
"""ACME that names nothing but what is in the file."""


def with_acme(folder: Path, acme: str, name: str = "pki.yaml") -> Path:
    at = TWO_TIER.index("    crl: {auto")
    return written(folder, TWO_TIER[:at] + acme + TWO_TIER[at:], name)


def directory(vault: Vault, path: str) -> tuple[int, dict[str, Any]]:
    """Fetch an ACME directory of the intermediate as a client does; returns status and content."""
    context = ssl.create_default_context(cafile=str(vault.bao.ca_file))
    url = f"{vault.bao.addr}/v1/{vault.name}-int/{path}/directory"
    try:
        with urllib.request.urlopen(url, context=context) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, {}


def test_acme_is_applied_once_and_changed_in_place(vault: Vault, tmp_path: Path) -> None:
    file = with_acme(tmp_path, OWN)
    vault.apply(file)
    assert actions(vault.plan(file)) == []
    mount = f"{vault.name}-int"
    read = vault.bao.read(f"{mount}/config/acme")
    assert read["allowed_roles"] == ["web"]
    assert read["allowed_issuers"] == [f"{mount}-2026"]
    for path in ("acme", "roles/web/acme"):
        status, content = directory(vault, path)
        assert (status, content["meta"]["externalAccountRequired"]) == (200, True)
        assert content["newOrder"].startswith(f"http://vault.example.test:8200/v1/{mount}/")
    forbidding = with_acme(tmp_path, OWN.replace("role:web", "forbid"), "forbid.yaml")
    assert actions(vault.plan(forbidding)) == [("change", f"{mount}/config/acme")]
    before = len(vault.requests())
    vault.apply(forbidding)
    assert vault.writes_since(before) == [f"{mount}/config/acme"]
    assert actions(vault.plan(forbidding)) == []
    assert directory(vault, "roles/web/acme")[0] == 200
    assert directory(vault, "acme")[0] != 200
    closed = with_acme(tmp_path, "    acme: {}\n", "closed.yaml")
    vault.apply(closed)
    assert actions(vault.plan(closed)) == []
    assert directory(vault, "roles/web/acme")[0] != 200


@pytest.mark.parametrize("there", [True, False])
def test_a_name_that_nobody_has_is_refused_before_anything_is_sent(
    vault: Vault, tmp_path: Path, there: bool
) -> None:
    if there:
        vault.apply(written(tmp_path, TWO_TIER, "without.yaml"))
    file = with_acme(tmp_path, ACME.replace("role:web", "role:other"))
    before = len(vault.requests())
    ran = vault.run("apply", "--yes", "-f", file)
    assert ran.exit_code == 1, ran.output
    lines = file.read_text().splitlines()
    for key, what in (
        ("default_directory_policy", "role other"),
        ("allowed_roles", "role other"),
        ("allowed_issuers", f"issuer {vault.name}-hand"),
    ):
        line = next(at for at, text in enumerate(lines, 1) if f"{key}: " in text)
        where = f"pki.yaml:{line} mounts.{vault.name}-int.acme.{key}: neither the file nor mount"
        assert f"{where} {vault.name}-int has the {what};" in ran.output
    assert vault.writes_since(before) == []
    if not there:
        return
    vault.bao.write(f"{vault.name}-int/roles/other", {"allowed_domains": "example.test"})
    made = {"common_name": "Hand CA", "issuer_name": f"{vault.name}-hand", "ttl": "1h"}
    vault.bao.write(f"{vault.name}-int/root/generate/internal", made)
    vault.apply(file)
    assert actions(vault.plan(file)) == []
