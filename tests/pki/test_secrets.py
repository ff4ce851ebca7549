"""Secrets of a file: sent to Vault, and nowhere else to be seen."""

from __future__ import annotations

from pathlib import Path

from issuer.pki.file.reading import load
from tests.pki.cas import root
from tests.pki.cutting import CuttingProxy
from tests.pki.interrupted import Case
from tests.pki.processes import command_lines
from tests.pki.support import Vault, written

JWT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzZWNyZXQifQ.c2lnbmVkLXNlY3JldA"
PASSPHRASE = "a passphrase that nobody sees"
TEXT = """\
foundation:
  mounts:
    ${T}-pki:
      tune: {max_lease_ttl: 43800h}
      urls: {issuing_certificates: ["http://vault.example.test:8200/v1/${T}-pki/ca"]}
  authorities:
    ${T}-home: {mount: "${T}-pki", import: {bundle: bundle.pem, passphrase: "${PASSPHRASE}"}}
  auth:
    ${T}-kubernetes:
      type: kubernetes
      config: {kubernetes_host: "https://kubernetes.example.test:6443", token_reviewer_jwt: "${JWT}",
               disable_local_ca_jwt: true, kubernetes_ca_cert: "${CA}"}
"""
TELLS_FILES = """\
import os, sys

def told(event, words):
    # Standard output is opened by its number, for its encoding.
    if event == "open" and words[2] is not None and not isinstance(words[0], int):
        written = words[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        print("WRITES" if written else "READS", words[0], file=sys.stderr)
    elif event in ("os.rename", "os.mkdir", "os.link", "os.symlink", "os.truncate", "tempfile.mkstemp"):
        print("WRITES", event, *words, file=sys.stderr)

sys.addaudithook(told)
from issuer.cli.main import main
main()
"""
"""The command, which tells each file that Python opens."""


def test_secrets_are_in_no_file_plan_output_repr_or_process_list(vault: Vault, tmp_path: Path) -> None:
    ca = root("Home CA")
    written(tmp_path, ca.pem + ca.key_pem(PASSPHRASE), "bundle.pem")
    case = Case(
        vault,
        (written(tmp_path, TEXT),),
        {"JWT": JWT, "PASSPHRASE": PASSPHRASE, "CA": vault.bao.ca_pem},
    )
    saved = tmp_path / "plan.json"
    planned = vault.run("plan", *case.words, "--out", saved, **case.variables)
    assert planned.exit_code == 2, planned.output
    shown = [planned.output, saved.read_text()]
    proxy = CuttingProxy(vault.bao)
    proxy.held = lambda _: shown.append(command_lines())
    with proxy.running():
        shown.append(case.process_output(proxy.addr, "-B", "-c", TELLS_FILES))
    assert "bundle.pem" in shown[-1].partition("READS")[2]
    assert [line for line in shown[-1].splitlines() if line.startswith("WRITES ")] == []
    shown += [str(vault.plan(*case.files, **case.variables)), vault.bao.log.read_text()]
    environment = {**vault.environment(), **case.variables}
    loaded = load([str(one) for one in case.files], environment)
    shown += [repr(loaded), repr(loaded.file), str(loaded.file)]
    case.holds()
    plain = ca.key_pem().splitlines()[1]
    for secret in (JWT, PASSPHRASE, plain, vault.bao.token):
        assert [one[:200] for one in shown if secret in one] == []
        assert secret not in vault.bao.audit_log.read_text()
