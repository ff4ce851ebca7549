"""docs/ca-compromise.md, typed as it stands: an intermediate, a root and a Vault are replaced, and timed."""

from __future__ import annotations

import base64
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography import x509

from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.openbao import OpenBao
from testbed.samples import API_VERSION
from tests.docs.conftest import MakeShell
from tests.docs.console import console
from tests.docs.shell import Shell
from tests.docs.tls_client import refused_by_client
from tests.sizes import LONGER
from tests.unit.docs.pages import blocks

PAGE: Final = REPOSITORY / "docs" / "ca-compromise.md"
HOST: Final = "shop.apps.example.com"
WORDS: Final = ("the first person's words", "the second person's words")
ASKED: Final = {
    f"{asked} {number} of 2:": text
    for number, text in enumerate(WORDS, 1)
    for asked in ("passphrase", "Passphrase", "Again")
}
MANIFESTS: Final = """
apiVersion: vault-issuer.io/v1alpha1
kind: CertificateRequestPolicy
metadata: {name: apps}
spec:
  allowed:
    dnsNames: {values: ["*.apps.example.com"]}
    usages: [digital signature, key encipherment, server auth]
  selector: {issuerRef: {group: vault-issuer.io, name: apps}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: use-apps}
rules:
  - apiGroups: [vault-issuer.io]
    resources: [certificaterequestpolicies]
    resourceNames: [apps]
    verbs: [use]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: use-apps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: use-apps}
subjects: [{kind: ServiceAccount, name: cert-manager, namespace: cert-manager}]
---
apiVersion: vault-issuer.io/v1alpha1
kind: VaultClusterIssuer
metadata: {name: apps}
spec:
  vault:
    server: https://vault.example.com:8200
    path: pki_apps/sign/web
    caBundle: CA_BUNDLE
    auth: {appRole: {path: approle_apps, roleId: ROLE, secretRef: {name: apps-login, key: secretId}}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: shop, namespace: shop}
spec:
  secretName: shop-tls
  dnsNames: [shop.apps.example.com]
  duration: 24h
  usages: [digital signature, key encipherment, server auth]
  privateKey: {algorithm: ECDSA, size: 256, rotationPolicy: Always}
  issuerRef: {group: vault-issuer.io, kind: VaultClusterIssuer, name: apps}
"""
BEFORE: Final = """
export CA=apps-2026
vault-issuer root init --common-name "Example Root CA" --two-passphrases --crl-url http://pki.example.com/root.crl
vault-issuer pki apply --yes -f pki.yaml || test $? = 3
vault-issuer root sign apps-2026.csr --lifetime 8760h --path-length 0
vault-issuer pki apply --yes -f pki.yaml
secret=$(vault write -f -field=secret_id auth/approle_apps/role/issuer/secret-id)
kubectl create secret generic apps-login -n vault-issuer-system --from-literal=secretId="$secret"
kubectl create namespace shop
role=$(vault read -field=role_id auth/approle_apps/role/issuer/role-id)
sed "s/ROLE/$role/; s/CA_BUNDLE/$(base64 -w0 vault-ca.pem)/" manifests.yaml | kubectl apply -f -
kubectl wait --for=condition=Ready certificate/shop -n shop --timeout=120s ||
  { vault-issuer explain certificate shop -n shop; false; }
"""


@pytest.fixture
def second(bed: Testbed, tmp_path: Path) -> Iterator[OpenBao]:
    """A new Vault, beside the one whose keys are known."""
    server = OpenBao(bed.servers.bao, tmp_path / "second")
    try:
        server.start()
        yield server
    finally:
        server.close()


ROOTS: Final = ("root", "public", "public-2028", "public-2028")
"""Folders of the root that clients trust: at first, and after each part."""


@dataclass(slots=True)
class Rehearsal:
    """The parts of the page as a TLS client sees them. `before` is what it was shown when a part began."""

    bed: Testbed
    folder: Path
    part: int = 0
    before: dict[str, Any] = field(default_factory=dict)
    old_list: str = ""

    def begin(self) -> None:
        """Keep what is served, which clients accept, and the CRL of the CA whose key is known."""
        self.before, self.old_list = self._served(), _crl(self.bed.vault, self.part + 1)
        assert refused_by_client(self.before, self._root(), [], HOST) == ""
        self.part += 1

    def end(self, vault: OpenBao) -> None:
        """Assert that clients refuse the old certificate, and accept another that the new CA has signed."""
        now, root = self._served(), self._root()
        lists = [(self.folder / ROOTS[self.part] / "root.crl.pem").read_text(), _crl(vault, self.part + 1)]
        assert refused_by_client(now, root, lists, HOST) == ""
        said = refused_by_client(self.before, root, [*lists, self.old_list], HOST)
        # The CA is revoked, or its root isn't trusted any more.
        assert said == ("unable to get local issuer certificate" if self.part == 2 else "certificate revoked")
        leaf = x509.load_pem_x509_certificate(base64.b64decode(now["data"]["tls.crt"]))
        assert f"Example {_ca(self.part + 1)}" in leaf.issuer.rfc4514_string()

    def _served(self) -> dict[str, Any]:
        return self.bed.kube.get("v1", "Secret", "shop-tls", "shop")

    def _root(self) -> str:
        return (self.folder / ROOTS[self.part] / "root.pem").read_text()


def _ca(number: int) -> str:
    return f"apps-{2025 + number}"


def _crl(vault: OpenBao, number: int) -> str:
    """The CRL of a part's CA, PEM."""
    return str(vault.read(f"pki_apps/issuer/{_ca(number)}/crl")["crl"])


def offline_root(shell: Shell) -> None:
    """Put a command into the terminal's PATH that runs `vault-issuer root` as people do, but offline."""
    answers = " ".join(f"'{asked}' \"{text}\"" for asked, text in {**ASKED, "[y/N]:": "y"}.items())
    command = shell.folder / ".bin" / "root-at-its-machine"
    command.write_text(
        "#!/bin/bash\n"
        'printf "vault-issuer root%s" "$(printf " %q" "$@")" > .root-typed\n'
        f"exec unshare --user --map-root-user --net '{sys.executable}' '{REPOSITORY}/tests/terminal.py' "
        f".root-typed {answers}\n"
    )
    command.chmod(command.stat().st_mode | stat.S_IXUSR)


@LONGER
def test_a_known_key_is_replaced_as_the_page_says(
    bed: Testbed, terminal: MakeShell, second: OpenBao, capfd: pytest.CaptureFixture[str]
) -> None:
    bed.create_namespace(SYSTEM_NAMESPACE)
    shell = terminal(
        {
            "vault-issuer root": "root-at-its-machine",
            "https://vault-2.example.com:8200": second.addr,
            "$NEW_TOKEN": second.token,
        }
    )
    offline_root(shell)
    (shell.folder / "vault-2-ca.pem").write_text(second.ca_file.read_text())
    (shell.folder / "pki.yaml").write_text(blocks(PAGE, "yaml")[0])
    manifests = MANIFESTS.replace("https://vault.example.com:8200", bed.vault.addr)
    (shell.folder / "manifests.yaml").write_text(manifests)
    rehearsal = Rehearsal(bed, shell.folder)
    times: dict[str, str] = {}
    with ControllerProcess(bed, ["--issuer-check-period=2"]):
        shell.run(BEFORE)
        bed.kube.wait(API_VERSION, "VaultClusterIssuer", "apps")
        for block in console(PAGE):
            if any("SECONDS=0" in step.script for step in block.steps):
                rehearsal.begin()
            shell.type(block)
            told = re.findall(r"(part \d): (\d+) s", (shell.folder / ".output").read_text())
            if told:
                rehearsal.end(second if len(times) == 2 else bed.vault)
                times |= dict(told)
    assert set(times) == {"part 1", "part 2", "part 3"}
    with capfd.disabled():
        print("replaced within seconds:", times, file=sys.__stderr__)
