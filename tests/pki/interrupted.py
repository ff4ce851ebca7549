"""Applies that are interrupted at one call, run again, and held against what must then be there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import Result

from issuer.pki.file.authority import Authority, Origin
from issuer.pki.file.reading import load
from testbed.forking import start_command
from testbed.processes import Child
from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.support import Vault, actions

DONE, STOPPED, LEFT = 0, 1, 3
Between = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Case:
    """One file to apply. `between` brings what an apply waits for, such as an offline CA's certificate."""

    vault: Vault
    files: tuple[Path, ...]
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    between: Between = lambda: None

    @property
    def words(self) -> list[str]:
        """Options that name the files."""
        return [str(word) for file in self.files for word in ("-f", file)]

    def apply(self, addr: str = "") -> Result:
        """Apply once, in this process."""
        variables = {**self.variables, **({"VAULT_ADDR": addr} if addr else {})}
        return self.vault.run("apply", "--yes", *self.words, **variables)

    def finish(self) -> None:
        """Apply until nothing waits."""
        for _ in range(5):
            ran = self.apply()
            assert ran.exit_code in (DONE, LEFT), ran.output
            if "Waiting:" not in ran.output:
                return
            self.between()
        raise AssertionError("it still waits")

    def calls(self) -> list[str]:
        """Apply to the end through a proxy, and return every call as `METHOD path`."""
        found: list[str] = []
        for _ in range(5):
            with CuttingProxy(self.vault.bao).running() as proxy:
                ran = self.apply(proxy.addr)
            found += proxy.paths
            if "Waiting:" not in ran.output:
                return found
            self.between()
        raise AssertionError("it still waits")

    def cut(self, at: int, mode: CutMode) -> bool:
        """Apply, and end at call number `at`, counted over all runs that are needed. False if there was no
        such call."""
        for _ in range(5):
            with CuttingProxy(self.vault.bao, at, mode).running() as proxy:
                ran = self.apply(proxy.addr)
            if proxy.is_cut:
                assert ran.exit_code == STOPPED, ran.output
                return True
            assert ran.exit_code in (DONE, LEFT), ran.output
            at -= len(proxy.paths)
            if "Waiting:" not in ran.output:
                return False
            self.between()
        return False

    def process_output(self, addr: str, *program: str) -> str:
        """Apply in a process of its own, which must end well, and return all that it printed.

        `program` are Python's words for the command, if it isn't started as it usually is.
        """
        words = (*(program or ("-m", "issuer")), "pki", "apply", "--yes", *self.words)
        ran = subprocess.run(
            [sys.executable, *words],
            env={**os.environ, **self.vault.environment(), **self.variables, "VAULT_ADDR": addr},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == DONE, ran.stderr
        return ran.stdout + ran.stderr

    def process(self, addr: str) -> int:
        """Apply in a process of its own, and return its exit code."""
        return self._started(addr).wait()

    def kill(self, at: int, mode: CutMode) -> bool:
        """Apply in a process of its own that is killed at call number `at` of its first run."""
        proxy = CuttingProxy(self.vault.bao, at, mode)
        with proxy.running():
            ran = self._started(proxy.addr)
            proxy.killed = lambda: os.killpg(ran.pid, signal.SIGKILL)
            code = ran.wait()
        if proxy.is_cut:
            assert code == -signal.SIGKILL
        return proxy.is_cut

    def _started(self, addr: str) -> Child:
        environment = {**os.environ, **self.vault.environment(), **self.variables, "VAULT_ADDR": addr}
        with Path(os.devnull).open("wb") as nothing:
            return start_command(["pki", "apply", "--yes", *self.words], environment, nothing)

    def authorities(self) -> Mapping[str, Authority]:
        """The authorities of the files by name."""
        environment = {**self.vault.environment(), **self.variables}
        loaded = load([str(file) for file in self.files], environment)
        return {name: one for _, name, one in loaded.file.all_authorities()}

    def holds(self) -> None:
        """Assert that each planned CA has one key, issuer and valid certificate, and the plan is empty."""
        authorities = self.authorities()
        for name, authority in authorities.items():
            self._holds_one(name, authority, authorities)
        planned = self.vault.plan(*self.files, **self.variables)
        assert [one for one in actions(planned) if one[0] != "by hand"] == []

    def _holds_one(self, name: str, authority: Authority, authorities: Mapping[str, Authority]) -> None:
        vault, mount = self.vault, authority.mount
        planned = {other for other, one in authorities.items() if one.mount == mount}
        keys: Mapping[str, Any] = vault.listed(f"{mount}/keys")["key_info"]
        named = {one["key_name"] for one in keys.values()}
        assert len(keys) == len(planned), (mount, named)
        own = [one["issuer_name"] for one in vault.issuers(mount).values() if one["key_id"]]
        assert sorted(own) == sorted(planned)
        certificate = vault.certificate(mount, name)
        signer = {
            Origin.ROOT: mount,
            Origin.SIGNED: authorities[authority.signed_by].mount if authority.signed_by else "",
        }.get(authority.origin, "")
        if signer:
            assert valid_serials(vault, signer, certificate) == [certificate.serial_number]


def valid_serials(vault: Vault, mount: str, like: x509.Certificate) -> list[int]:
    """Return the serials of the certificates for a key in a mount's list that are valid and not revoked."""
    found = []
    for serial in vault.listed(f"{mount}/certs").get("keys", ()):
        read = vault.bao.read(f"{mount}/cert/{serial}")
        certificate = x509.load_pem_x509_certificate(read["certificate"].encode())
        alive = not read["revocation_time"] and certificate.not_valid_after_utc > datetime.now(UTC)
        if alive and _spki(certificate) == _spki(like):
            found.append(certificate.serial_number)
    return found


def _spki(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
