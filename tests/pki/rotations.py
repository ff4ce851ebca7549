"""One rotation on a real OpenBao, from a file that asks for it to a file without it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from typer.testing import Result

from testbed.errors import HTTPError
from tests.asking import AsksMeanwhile
from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.files import TWO_TIER
from tests.pki.interrupted import valid_serials
from tests.pki.support import Vault, written

_NEW: Final = """\
  ${T}-int-2027:
    mount: ${T}-int
    replaces: ${T}-int-2026
    signedBy: ${T}-root-2026
    subject: {commonName: Example Intermediate CA 2, organization: [Example]}
    key: {type: ec, bits: 256}
    lifetime: 1825d
    maxPathLength: 0
"""
UNSEEN: Final = ("--accept", "issuers")
"""Where no cluster is looked at."""
_NEW_ROOT: Final = """\
      maxPathLength: 2
    ${T}-root-2027:
      mount: ${T}-root
      subject: {commonName: Example Root CA 2, organization: [Example]}
      lifetime: 87600h
      maxPathLength: 1
"""
_OFFLINE: Final = "offline: {request: new.csr, certificate: new.pem}"


@dataclass(frozen=True, slots=True)
class RotationCase:
    """A mount whose CA `old` is to be replaced by `new`, as the file asks."""

    vault: Vault
    folder: Path
    file: Path
    token: str = field(repr=False)

    @property
    def mount(self) -> str:
        """The mount of both CAs."""
        return f"{self.vault.name}-int"

    @property
    def old(self) -> str:
        """The CA that signs at first."""
        return f"{self.mount}-2026"

    @property
    def new(self) -> str:
        """The CA that signs at last."""
        return f"{self.mount}-2027"

    def run(self, verb: str, *words: str | Path, **environment: str) -> Result:
        """Run `pki rotate VERB`."""
        variables = {"VAULT_TOKEN": self.token, **environment}
        return self.vault.run("rotate", verb, "-f", self.file, *words, **variables)

    def next(self, *words: str, code: int = 0, addr: str = "") -> Result:
        """Go on by one step, without being asked."""
        environment = {"VAULT_ADDR": addr} if addr else {}
        ran = self.run("next", "--yes", *words, **environment)
        assert ran.exit_code == code, (ran.output, ran.exception)
        return ran

    def status(self, *words: str, code: int | None = None) -> dict[str, Any]:
        """The state of the only rotation, as JSON."""
        ran = self.run("status", "-o", "json", *words)
        assert ran.exit_code != 1, (ran.output, ran.exception)
        assert code in (None, ran.exit_code), ran.output
        (state,) = json.loads(ran.stdout)["rotations"]
        found: dict[str, Any] = state
        return found

    def gates(self, *words: str) -> dict[str, str]:
        """The verdicts of the gates, by their names."""
        return {one["gate"]: one["verdict"] for one in self.status(*words)["gates"]}

    def default(self) -> str:
        """Name of the issuer that signs by default."""
        identifier = self.vault.bao.read(f"{self.mount}/config/issuers")["default"]
        return str(self.vault.issuers(self.mount)[identifier]["issuer_name"])

    def issue(self, role: str = "web", ttl: str = "1s") -> dict[str, Any]:
        """Have Vault sign a certificate."""
        body = {"common_name": "a.example.test", "ttl": ttl}
        answer: dict[str, Any] = self.vault.bao.call("POST", f"{self.mount}/issue/{role}", body)["data"]
        return answer

    def own(self) -> list[str]:
        """Names of the issuers that have a key."""
        return sorted(one["issuer_name"] for one in self.vault.issuers(self.mount).values() if one["key_id"])

    def keys(self) -> list[str]:
        """Names of the mount's keys."""
        listed = self.vault.listed(f"{self.mount}/keys").get("key_info") or {}
        return sorted(one["key_name"] for one in listed.values())


def rotation_case(
    vault: Vault, folder: Path, *, offline: bool = False, new_root: bool = False
) -> RotationCase:
    """Apply a file with one CA, and return the case whose file asks for another, with a token for that. A
    `new_root` that signs it is in that file, too."""
    before = TWO_TIER.replace("interval_duration: 12h", "interval_duration: 12h, safety_buffer: 1")
    new = _NEW.replace("signedBy: ${T}-root-2026", _OFFLINE) if offline else _NEW
    if new_root:
        before = before.replace("maxPathLength: 1", "maxPathLength: 2")
        new = new.replace("root-2026", "root-2027")
    vault.apply(written(folder, before))
    if new_root:
        before = before.replace("      maxPathLength: 2\n", _NEW_ROOT)
    file = written(folder, before + new)
    policy = f"rotate-{vault.name}"
    rules = vault.run("rights", "rotate", "-f", file).stdout
    vault.bao.call("PUT", f"sys/policies/acl/{policy}", {"policy": rules})
    body = {"policies": [policy], "ttl": "10m", "no_default_policy": True}
    token = vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"]
    return RotationCase(vault, folder, file, token)


class Load(AsksMeanwhile):
    """Certificates that are asked for one after another by path `issue/web`; `issuers` has the CA of each."""

    def __init__(self, case: RotationCase) -> None:
        super().__init__(pause=0.1)
        self._case = case
        self.issuers: list[str] = []
        self.errors: list[Exception] = []

    def more(self, number: int = 3) -> None:
        """Wait until so many more were answered."""
        wanted, deadline = len(self.issuers) + number, time.monotonic() + 20
        while len(self.issuers) < wanted and not self.errors:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _ask(self) -> None:
        try:
            pem = self._case.issue()["certificate"]
        except HTTPError as error:
            self.errors.append(error)
            return
        self.issuers.append(x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string())


def wait_for_the_end(case: RotationCase, *words: str) -> None:
    """Wait until a rotation goes on by itself: certificates of two seconds end."""
    deadline = time.monotonic() + 20
    while case.status(*words)["waitsFor"]:
        assert time.monotonic() < deadline, case.status(*words)
        time.sleep(0.2)


def cut_next(case: RotationCase, at: int | str, mode: CutMode) -> bool:
    """Go on by one step, and end at one call of it; False if there was no such call."""
    with CuttingProxy(case.vault.bao, at, mode).running() as proxy:
        ran = case.run("next", "--yes", *UNSEEN, VAULT_ADDR=proxy.addr)
    assert ran.exit_code == 1 if proxy.is_cut else ran.exit_code == 0, ran.output
    return proxy.is_cut


def holds_both(case: RotationCase) -> None:
    """Assert that there are two CAs, each with one key, and that the signer's list has one valid certificate
    of the new one."""
    assert case.own() == [case.old, case.new]
    assert case.keys() == [case.old, case.new]
    certificate = case.vault.certificate(case.mount, case.new)
    assert valid_serials(case.vault, f"{case.vault.name}-root", certificate) == [certificate.serial_number]
