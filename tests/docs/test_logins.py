"""docs/auth.md: after each method's commands an issuer with its YAML logs in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import API_VERSION, vault_cluster_issuer, vault_issuer
from testbed.vaultpki import PkiLayout
from tests.docs.conftest import MakeShell
from tests.docs.console import Block, console
from tests.docs.shell import Shell

PAGE = REPOSITORY / "docs" / "auth.md"
TEAM = "shop"


@dataclass(frozen=True, slots=True)
class Login:
    """A method's commands, and the fragment of `spec.vault` before them."""

    commands: Block
    auth: dict[str, Any]

    @property
    def namespace(self) -> str | None:
        """The namespace of the issuer that the commands are for; None for a cluster issuer."""
        return TEAM if any(TEAM in step.script for step in self.commands.steps) else None


def logins() -> list[Login]:
    """Every block of commands that is ours to run, with the YAML before it."""
    text = PAGE.read_text()
    shown = [
        (text.count("\n", 0, found.start()) + 1, yaml.safe_load(found[1]))
        for found in re.finditer(r"^```yaml\n(auth:\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]
    made = []
    for block in console(PAGE):
        if block.ours:
            line = int(block.where.rpartition(":")[2])
            made.append(Login(block, [one for at, one in shown if at < line][-1]["auth"]))
    return made


@pytest.fixture(scope="module")
def shell(bed: Testbed, layout: PkiLayout, terminal: MakeShell) -> Iterator[Shell]:
    """A terminal; Vault has install.md's policy, and the rights of the page's first block are granted."""
    rights = next(
        yaml.safe_load_all(block)
        for block in re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    )
    bed.create_namespace(TEAM)
    bed.kube.apply(list(rights))
    one = terminal()
    pair = bed.vault.client_ca.issue("vault-issuer")
    for name, text in (
        ("client-ca.pem", bed.vault.client_ca.pem),
        ("client.pem", pair.certificate),
        ("client-key.pem", pair.key),
    ):
        (one.folder / name).write_text(text)
    body = {"policy": (f'path "{layout.sign_path}" {{ capabilities = ["update"] }}\n')}
    bed.vault.call("PUT", "sys/policies/acl/vault-issuer", body)
    with ControllerProcess(bed, ["--issuer-check-period=2"]):
        yield one


def issuer(bed: Testbed, login: Login) -> Object:
    """The issuer that the page's commands are for: `vault`."""
    auth = yaml.safe_load(yaml.safe_dump(login.auth))
    if "appRole" in auth:
        auth["appRole"]["roleId"] = bed.vault.read("auth/approle/role/vault-issuer/role-id")["role_id"]
    if login.namespace:
        return vault_issuer(bed, "vault", login.namespace, auth)
    return vault_cluster_issuer(bed, "vault", auth)


def test_the_page_has_every_method_that_can_be_tried_here() -> None:
    found = [next(iter(one.auth)) for one in logins()]
    assert found == [
        "tokenSecretRef",
        "appRole",
        "clientCertificate",
        "kubernetes",
        "kubernetes",
        "kubernetes",
    ]


def test_each_methods_commands_make_its_issuer_ready(bed: Testbed, shell: Shell) -> None:
    for login in logins():
        shell.type(login.commands)
        made = issuer(bed, login)
        bed.kube.apply(made)
        found = bed.kube.wait(API_VERSION, made["kind"], "vault", login.namespace)
        assert "logged in" in found["status"]["conditions"][0]["message"]
        bed.kube.delete(API_VERSION, made["kind"], "vault", login.namespace)
        for secret in ("vault-login", "vault-login-tls"):
            bed.kube.delete("v1", "Secret", secret, login.namespace or SYSTEM_NAMESPACE)
