"""The command run on objects, and builders of what people have today."""

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

Object = dict[str, Any]


@dataclass(frozen=True)
class Migrated:
    """What `vault-issuer migrate` left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def plan(self) -> Any:
        """With `-o json`: the plan."""
        return json.loads(self.stdout)

    def made(self, kind: str, name: str | None = None) -> Object:
        """The one object to create of this kind (and name)."""
        return self._one("create", kind, name)

    def changed(self, kind: str, name: str | None = None) -> Object:
        """The one object to change of this kind (and name)."""
        return self._one("change", kind, name)

    def kinds(self, part: str = "create") -> list[str]:
        """Kinds of the objects to create or change, in order."""
        return [one["kind"] for one in self.plan[part]]

    def step(self, words: str) -> Object:
        """The one step whose `from` begins with these words."""
        found = [step for step in self.plan["steps"] if step["from"].startswith(words)]
        assert len(found) == 1, [step["from"] for step in self.plan["steps"]]
        return dict(found[0])

    def notes(self, level: str | None = None) -> str:
        """The text of all notes (of a level)."""
        notes = [*self.plan["notes"], *(note for step in self.plan["steps"] for note in step["notes"])]
        return "\n".join(note["text"] for note in notes if level in (None, note["level"]))

    def _one(self, part: str, kind: str, name: str | None) -> Object:
        found = [
            one for one in self.plan[part] if one["kind"] == kind and name in (None, one["metadata"]["name"])
        ]
        assert len(found) == 1, [(one["kind"], one["metadata"]["name"]) for one in self.plan[part]]
        return dict(found[0])


Migrate = Callable[..., Migrated]


@pytest.fixture
def migrate(tmp_path: Path) -> Migrate:
    """Runs the command on objects in a file; `output` None leaves `-o` out."""

    def run(*objects: Object, args: tuple[str, ...] = (), output: str | None = "json") -> Migrated:
        file = tmp_path / "input.yaml"
        file.write_text(yaml.safe_dump_all(objects), encoding="utf-8")
        shown = ["-o", output] if output else []
        result = CliRunner().invoke(app, ["migrate", "-f", str(file), *shown, *args])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Migrated(result.exit_code, result.stdout, result.stderr)

    return run


TOKEN: Object = {"tokenSecretRef": {"name": "vault-token", "key": "token"}}


def issuer(
    name: str = "vault", namespace: str = "team-a", auth: Object | None = None, **vault: Any
) -> Object:
    """An Issuer of cert-manager, or without a namespace a ClusterIssuer."""
    metadata: Object = {"name": name} | ({"namespace": namespace} if namespace else {})
    server = {"server": "https://vault.example.com:8200", "path": "pki_int/sign/lab"}
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Issuer" if namespace else "ClusterIssuer",
        "metadata": metadata,
        "spec": {"vault": {**server, "auth": auth or TOKEN, **vault}},
    }


def certificate(reference: Object, name: str = "web", **spec: Any) -> Object:
    """A Certificate in team-a."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": {"name": name, "namespace": "team-a"},
        "spec": {
            "secretName": f"{name}-tls",
            "dnsNames": ["www.lab.example"],
            "privateKey": {"algorithm": "ECDSA"},
            "issuerRef": reference,
            **spec,
        },
    }


def peer_policy(name: str = "web", reference: Object | None = None, **spec: Any) -> Object:
    """A policy of approver-policy."""
    selector = {"issuerRef": {"name": "vault"} if reference is None else reference}
    return {
        "apiVersion": "policy.cert-manager.io/v1alpha1",
        "kind": "CertificateRequestPolicy",
        "metadata": {"name": name},
        "spec": {
            "selector": selector,
            "allowed": {"dnsNames": {"values": ["*.lab.example"]}, "usages": ["server auth"]},
            **spec,
        },
    }


def role(*rules: Object, name: str = "use-web", kind: str = "ClusterRole", **more: Any) -> Object:
    """A role."""
    metadata = {"name": name} | ({"namespace": "team-a"} if kind == "Role" else {})
    api = "rbac.authorization.k8s.io/v1"
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "rules": list(rules), **more}


def binding(name: str = "use-web") -> Object:
    """A binding of that ClusterRole to cert-manager."""
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": "cert-manager", "namespace": "cert-manager"}],
    }


def use_rule(*names: str, group: str = "policy.cert-manager.io") -> Object:
    """A rule that lets policies be used."""
    rule: Object = {"apiGroups": [group], "resources": ["certificaterequestpolicies"], "verbs": ["use"]}
    return rule | ({"resourceNames": list(names)} if names else {})
