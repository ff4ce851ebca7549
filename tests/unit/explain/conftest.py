"""A folder of files, and the command line as users call it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from issuer.cli.main import app

Build = Callable[..., dict[str, Any]]
"""Makes an object; fields given by name may be replaced."""


@dataclass(frozen=True)
class Result:
    """What a command left behind; `text` is its output with line breaks as spaces."""

    code: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        return " ".join(self.stdout.split())

    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass(frozen=True)
class Folder:
    """Writes files, and runs commands that name them."""

    path: Path

    def write(self, name: str, *objects: Any) -> str:
        """Objects as YAML documents, or one text or bytes as it is. Returns the path."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if len(objects) == 1 and isinstance(objects[0], bytes):
            file.write_bytes(objects[0])
        elif len(objects) == 1 and isinstance(objects[0], str):
            file.write_text(objects[0], encoding="utf-8")
        else:
            file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        return str(file)

    def run(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """`vault-issuer policy ARGUMENTS`."""
        result = CliRunner().invoke(app, ["policy", *arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder."""
    return Folder(tmp_path)


@pytest.fixture
def certificate() -> Build:
    """Builds a Certificate; fields of its spec may be replaced."""

    def build(**spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "cert-manager.io/v1",
            "kind": "Certificate",
            "metadata": {"name": "web", "namespace": "team-a"},
            "spec": {
                "secretName": "web-tls",
                "dnsNames": ["www.lab.example"],
                "duration": "24h",
                "privateKey": {"algorithm": "ECDSA"},
                "issuerRef": {"name": "demo", "kind": "VaultClusterIssuer", "group": "vault-issuer.io"},
                **spec,
            },
        }

    return build


@pytest.fixture
def policy() -> Build:
    """Builds a policy that allows names below lab.example; fields of its spec may be replaced."""

    def build(name: str = "web", **spec: Any) -> dict[str, Any]:
        return {
            "apiVersion": "vault-issuer.io/v1alpha1",
            "kind": "CertificateRequestPolicy",
            "metadata": {"name": name},
            "spec": {
                "selector": {"issuerRef": {"group": "vault-issuer.io"}},
                "allowed": {"dnsNames": {"values": ["*.lab.example"]}},
                **spec,
            },
        }

    return build
