"""`pki apply` as a Job does it: a narrow login that ends with it, and no foundation."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.pki.cutting import CuttingProxy
from tests.pki.files import TWO_TIER
from tests.pki.support import Vault, actions, written

JOB = ("apply", "--yes", "--part", "automation")


@pytest.fixture
def file(vault: Vault, tmp_path: Path) -> Path:
    """The two-tier CA, of which a person has applied the foundation."""
    found = written(tmp_path, TWO_TIER)
    ran = vault.run("apply", "--yes", "--part", "foundation", "-f", found)
    assert ran.exit_code == 0, ran.output
    return found


def wrapped(vault: Vault, folder: Path, policy: str) -> tuple[Path, str]:
    """A file with a wrapped token that has one policy, and that token's accessor."""
    name = f"job-{vault.name}"
    vault.bao.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    body = {"policies": [name], "ttl": "10m", "no_parent": True}
    answer: Any = vault.bao.call("POST", "auth/token/create", body, headers={"X-Vault-Wrap-TTL": "300s"})
    path = folder / "wrapped"
    path.write_text(answer["wrap_info"]["token"] + "\n")
    return path, answer["wrap_info"]["wrapped_accessor"]


def accessors(vault: Vault) -> list[str]:
    """Accessors of all tokens that live."""
    found: list[str] = vault.listed("auth/token/accessors")["keys"]
    return found


def test_the_printed_rights_are_enough_and_the_token_works_once(
    vault: Vault, file: Path, tmp_path: Path
) -> None:
    printed = vault.run("rights", "apply", "--part", "automation", "-f", file).stdout
    assert "sys/policies" not in printed
    assert "sys/auth" not in printed
    token, accessor = wrapped(vault, tmp_path, printed)
    before = len(vault.bao.audit.entries("response"))
    ran = vault.run(*JOB, "-f", file, "--wrapped-token", token, VAULT_TOKEN="")
    assert ran.exit_code == 0, ran.output
    entries = vault.bao.audit.entries("response")[before:]
    assert [one["request"]["path"] for one in entries if "denied" in str(one.get("error", ""))] == []
    assert actions(vault.plan(file)) == []
    assert accessor not in accessors(vault)
    again = vault.run(*JOB, "-f", file, "--wrapped-token", token, VAULT_TOKEN="")
    assert again.exit_code == 1
    assert "was unwrapped before" in again.output


@pytest.mark.parametrize("path", ["sys/policies/acl/*", "sys/auth/*", "auth/token/*"])
def test_a_login_that_is_as_good_as_root_applies_nothing_and_ends(
    vault: Vault, file: Path, tmp_path: Path, path: str
) -> None:
    rule = f'path "{path}" {{ capabilities = ["create", "update", "sudo"] }}\n'
    token, accessor = wrapped(vault, tmp_path, 'path "sys/mounts*" { capabilities = ["read"] }\n' + rule)
    before = len(vault.requests())
    ran = vault.run(*JOB, "-f", file, "--wrapped-token", token)
    assert ran.exit_code == 1
    assert "as good as root" in ran.output
    asked = ["sys/wrapping/unwrap", "sys/capabilities-self", "auth/token/revoke-self"]
    assert vault.writes_since(before) == asked
    assert accessor not in accessors(vault)


def test_a_job_applies_no_foundation_and_has_one_login(vault: Vault, file: Path, tmp_path: Path) -> None:
    token, _ = wrapped(vault, tmp_path, 'path "none" { capabilities = ["read"] }')
    for part in ("all", "foundation"):
        ran = vault.run("apply", "--yes", "--part", part, "-f", file, "--wrapped-token", token)
        assert ran.exit_code == 1
        assert "add --part automation" in ran.output
    both = vault.run(*JOB, "-f", file, "--wrapped-token", token, "--kubernetes-role", "job")
    assert both.exit_code == 1
    assert "leave one" in both.output
    missing = vault.run(*JOB, "-f", file, "--wrapped-token", tmp_path / "missing")
    assert missing.exit_code == 1
    assert "can't be read as a token" in missing.output
    # None of these used it up.
    lived = vault.bao.call("POST", "sys/wrapping/lookup", {"token": token.read_text().strip()}, token="")
    assert lived["data"]["creation_path"] == "auth/token/create"


@pytest.mark.parametrize(
    ("below", "said"),
    [
        ("policies:\n  p: {text: 'path \"*\" {}'}\n", "policies"),
        ("auth:\n  approle: {type: approle}\n", "auth"),
        (
            "mounts: {m: {}}\nauthorities: {r: {mount: m, subject: {commonName: R}, lifetime: 24h}}\n",
            "makes a root, which belongs below foundation",
        ),
        (
            "mounts:\n  m: {}\nauthorities:\n  r: {mount: m, import: {bundle: b.pem}}\n",
            "imports a key, which belongs below foundation",
        ),
    ],
)
def test_what_is_worth_root_is_refused_outside_of_the_foundation(
    vault: Vault, tmp_path: Path, below: str, said: str
) -> None:
    ran = vault.run("plan", "--part", "automation", "-f", written(tmp_path, below))
    assert ran.exit_code == 1
    assert said in ran.output


def test_a_job_waits_until_vault_is_unsealed(vault: Vault, file: Path, tmp_path: Path) -> None:
    printed = vault.run("rights", "apply", "--part", "automation", "-f", file).stdout
    token, _ = wrapped(vault, tmp_path, printed)
    vault.bao.seal()
    unsealing = threading.Thread(target=vault.bao.unseal)
    try:
        asked = vault.run(*JOB, "-f", file, "--wrapped-token", token)
        assert (asked.exit_code, "Vault is sealed" in asked.output) == (1, True)
        unsealing.start()
        ran = vault.run(*JOB, "-f", file, "--wrapped-token", token, "--wait", "120")
    finally:
        unsealing.join()
    assert ran.exit_code == 0, ran.output


SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGINT, signal.SIGHUP)
NOTED = "Interrupted: it ends as soon as this step is done\n"


def test_a_pod_that_is_stopped_ends_its_step_and_revokes_its_token(
    vault: Vault, file: Path, tmp_path: Path
) -> None:
    printed = vault.run("rights", "apply", "--part", "automation", "-f", file).stdout
    token, accessor = wrapped(vault, tmp_path, printed)
    output = tmp_path / "output"
    with CuttingProxy(vault.bao).running() as proxy, output.open("w") as opened:
        ran = subprocess.Popen(
            [sys.executable, "-m", "issuer", "pki", *JOB, "-f", str(file), "--wrapped-token", str(token)],
            env={**os.environ, **vault.environment(), "VAULT_ADDR": proxy.addr, "VAULT_TOKEN": ""},
            stdout=opened,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert ran.stderr is not None
        noted: list[str] = []

        def held(call: str) -> None:
            if call == f"POST sys/mounts/{vault.name}-int":
                for sent in SIGNALS:
                    ran.send_signal(sent)
                    noted.append(ran.stderr.readline() if ran.stderr else "")
            elif call == "POST auth/token/revoke-self":
                ran.send_signal(signal.SIGINT)

        proxy.held = held
        assert ran.wait() == 1
        errors = ran.stderr.read()
        ran.stderr.close()
    assert noted == [NOTED] * len(SIGNALS), errors
    # The step that had begun is done, and no other began.
    steps = re.findall(r"^\[(\d+)/(\d+)\]", output.read_text(), re.MULTILINE)
    assert [one[0] for one in steps] == ["1"], output.read_text()
    count = int(steps[0][1])
    told = errors.splitlines()
    assert (told[0], len(told)) == (f"1 of {count} steps done. Left:", count + 1), errors
    assert told[-1] == "Interrupted; run the same again: what was done stays."
    assert accessor not in accessors(vault)
