"""`policy explain`: what it takes as a request and as policies, and what it refuses as bad input."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.builders import certificate_request, csr_pem
from tests.unit.explain.conftest import Build, Folder


def test_a_certificate_request_is_judged_as_who_made_it(folder: Folder, policy: Build) -> None:
    body = certificate_request(request=csr_pem("www.lab.example"), usages=[], username="jane")
    request = folder.write("r.yaml", body)
    rule = {"rule": "cr.username == 'jane' && cr.namespace == 'team-a'"}
    allowed = {"dnsNames": {"validations": [rule]}}
    policies = folder.write("p.yaml", policy(allowed=allowed))
    options = ("-f", request, "--policies", policies, "--allow-use", "web")
    assert folder.run("explain", *options).code == 0
    assert folder.run("explain", *options, "--as", "john").code == 1


def test_a_bare_request_takes_the_rest_from_options(folder: Folder, policy: Build) -> None:
    request = folder.write("r.csr", csr_pem("www.lab.example"))
    selector = {
        "issuerRef": {"kind": "VaultIssuer", "name": "demo", "group": "vault-issuer.io"},
        "namespace": {"matchNames": ["team-a"]},
    }
    allowed = {
        "dnsNames": {"values": ["*.lab.example"]},
        "usages": ["server auth", "digital signature"],
        "isCA": True,
    }
    body = policy(selector=selector, allowed=allowed, constraints={"maxDuration": "2h"})
    policies = folder.write("p.yaml", body)
    options = ["-f", request, "--policies", policies, "--allow-use", "web", "--is-ca", "--duration", "2h"]
    options += ["--usages", "server auth,digital signature", "-n", "team-a", "--issuer", "VaultIssuer/demo"]
    result = folder.run("explain", *options)
    assert result.code == 0, result.stdout + result.stderr
    assert folder.run("explain", *options, "--duration", "3h").code == 1


def test_the_request_may_come_from_standard_input(folder: Folder, policy: Build) -> None:
    policies = folder.write("p.yaml", policy())
    options = ["--policies", policies, "--allow-use", "web", "--issuer", "VaultIssuer/demo"]
    result = folder.run("explain", "-f", "-", *options, stdin=csr_pem("www.lab.example"))
    assert result.code == 0
    assert "standard input" in result.text


def test_approver_policys_own_policies_are_judged_with_a_note(
    folder: Folder, certificate: Build, policy: Build
) -> None:
    peer = policy() | {"apiVersion": "policy.cert-manager.io/v1alpha1"}
    request, policies = folder.write("r.yaml", certificate()), folder.write("p/web.yaml", peer)
    options = ("-f", request, "--policies", str(Path(policies).parent), "--allow-use", "web")
    result = folder.run("explain", *options, "-o", "json")
    assert result.code == 0
    assert "approver-policy's" in result.stderr
    assert result.json()["policy"] == "web"


def test_names_from_a_request_can_not_draw_on_the_terminal(folder: Folder, policy: Build) -> None:
    csr = csr_pem("www.lab.example", common_name="[red]x\u202e\u001b[31m")
    policies = folder.write("p.yaml", policy())
    options = ["--policies", policies, "--allow-use", "web", "--issuer", "VaultIssuer/demo"]
    result = folder.run("explain", "-f", "-", *options, stdin=csr)
    assert result.code == 1
    assert "\u001b" not in result.stdout
    assert "\u202e" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "--file"),
        (("-f", "missing.yaml"), "can't be read"),
        (("-f", "{csr}"), "--issuer KIND/NAME"),
        (("-f", "{csr}", "--issuer", "demo"), "not KIND/NAME"),
        (("-f", "{csr}", "--issuer", "VaultIssuer/a", "--usages", "sing"), "sing"),
        (("-f", "{csr}", "--issuer", "VaultIssuer/a", "--duration", "1 day"), "--duration"),
        (("-f", "{csr}", "--issuer", "VaultIssuer/a", "--duration", "0s"), "not positive"),
        (("-f", "{request}", "--issuer", "VaultIssuer/a"), "only for a bare PEM request"),
        (("-f", "{request}", "--namespace", "team-b"), "team-b"),
        (("-f", "{request}", "--policies", "{request}", "--cluster"), "exclude"),
        (("-f", "{request}", "--context", "x"), "belong to --cluster"),
        (("-f", "{request}", "--allow-use", "webb"), "no such policy"),
        (("-f", "{request}", "--namespace-labels", "pki"), "KEY=VALUE"),
        (("-f", "{policy}"), "holds no request"),
        (("-f", "{request}", "--policies", "{policy}", "--policies", "{policy}"), "also in"),
        (("-f", "{request}", "--nope"), "nope"),
    ],
)
def test_bad_input_exits_with_3_and_says_what_is_wrong(
    folder: Folder, certificate: Build, policy: Build, arguments: tuple[str, ...], told: str
) -> None:
    files = {
        "csr": folder.write("r.csr", csr_pem("a.test")),
        "request": folder.write("r.yaml", certificate()),
        "policy": folder.write("p.yaml", policy()),
    }
    result = folder.run("explain", *(argument.format(**files) for argument in arguments))
    assert result.code == 3
    assert told in result.stderr


def test_a_request_whose_bytes_are_broken_is_bad_input(folder: Folder) -> None:
    request = folder.write("r.yaml", certificate_request(request="bm90IGEgY3Ny"))
    result = folder.run("explain", "-f", request)
    assert result.code == 3
    assert "spec.request" in result.stderr


def test_unknown_commands_exit_with_3_too(folder: Folder) -> None:
    assert folder.run("exlain").code == 3
