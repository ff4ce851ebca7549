"""One test's corner of a real OpenBao, and the commands run on it as a person runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from testbed.errors import HTTPError
from testbed.openbao import OpenBao

WRITES = frozenset({"create", "update", "delete", "patch"})


@dataclass(slots=True)
class Vault:
    """A server, and the prefix of all names that one test uses on it."""

    bao: OpenBao
    name: str
    token: str = field(default="", repr=False)

    def environment(self) -> dict[str, str]:
        """The variables by which the commands find it."""
        return {
            "VAULT_ADDR": self.bao.addr,
            "VAULT_CACERT": str(self.bao.ca_file),
            "VAULT_TOKEN": self.token or self.bao.token,
            "BAO_TOKEN": "",
            "T": self.name,
        }

    def run(self, *words: str | Path, **environment: str) -> Result:
        """Run `vault-issuer pki ...`; `${T}` in files stands for this test's prefix."""
        variables = {**self.environment(), **environment}
        return CliRunner().invoke(app, ["pki", *map(str, words)], env=variables)

    def process(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run `vault-issuer pki ...` as a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "issuer", "pki", *map(str, words)],
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )

    def plan(self, *files: Path, **environment: str) -> dict[str, Any]:
        """Plan, and return it as JSON; fails the test if it can't be planned."""
        words = [word for file in files for word in ("-f", file)]
        ran = self.run("plan", *words, "-o", "json", **environment)
        assert ran.exit_code != 1, ran.output
        parsed: dict[str, Any] = json.loads(ran.stdout)
        return parsed

    def apply(self, *files: Path, **environment: str) -> Result:
        """Apply without asking; fails the test if it stops."""
        words = [word for file in files for word in ("-f", file)]
        ran = self.run("apply", "--yes", *words, **environment)
        assert ran.exit_code in (0, 3), ran.output
        return ran

    def requests(self) -> list[dict[str, Any]]:
        """All requests in the audit log, as `{operation, path}`."""
        return [one["request"] for one in self.bao.audit.entries("request")]

    def writes_since(self, before: int) -> list[str]:
        """The writes among the requests after the first `before`."""
        return [one["path"] for one in self.requests()[before:] if one["operation"] in WRITES]

    def issuers(self, mount: str) -> dict[str, dict[str, Any]]:
        """Issuers of a mount by id: name, key id, serial."""
        found: dict[str, dict[str, Any]] = self.listed(f"{mount}/issuers").get("key_info") or {}
        return found

    def listed(self, path: str) -> dict[str, Any]:
        """The answer to LIST; empty where there is nothing."""
        try:
            return self.bao.call("LIST", path).get("data") or {}
        except HTTPError as error:
            if error.status != 404:
                raise
            return {}

    def certificate(self, mount: str, issuer: str) -> x509.Certificate:
        """The certificate of an issuer."""
        pem = self.bao.read(f"{mount}/issuer/{issuer}")["certificate"]
        return x509.load_pem_x509_certificate(str(pem).encode())


def written(folder: Path, text: str, name: str = "pki.yaml") -> Path:
    """Write a file and return its path."""
    path = folder / name
    path.write_text(text)
    return path


def actions(plan: dict[str, Any]) -> Sequence[tuple[str, str]]:
    """The action and path of each step of a plan that does something."""
    return [(one["action"], one["path"]) for one in plan["steps"] if one["action"] != "none"]
