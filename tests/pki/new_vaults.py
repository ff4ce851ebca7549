"""Real OpenBao servers that are not initialised, and `pki init` run on them as a person runs it."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from issuer.cli.main import app
from testbed.certs import ServerFiles
from testbed.errors import HTTPError, TestbedError
from testbed.openbao import OpenBao
from testbed.servers import find_bao
from tests.pki.cutting import CutMode, CuttingProxy
from tests.pki.files import TWO_TIER
from tests.pki.processes import command_lines, environments
from tests.pki.support import written

ADMIN = "vault-issuer-admin"


@dataclass(slots=True)
class NewVault:
    """One server that nobody has initialised, the file that is applied to it, and a folder beside both.

    `seen` is what processes showed while `init` ran in one: arguments and environments.
    """

    bao: OpenBao
    folder: Path
    file: Path
    tls: ServerFiles
    output: str = field(default="", repr=False)
    seen: list[str] = field(default_factory=list, repr=False)

    @property
    def shares(self) -> Path:
        """The folder of the shares."""
        return self.folder / "shares"

    @property
    def admin(self) -> Path:
        """The file of the admin login."""
        return self.folder / "admin"

    @property
    def root(self) -> Path:
        """The file of a root token that stays, for want of an admin login."""
        return self.folder / "admin.root-token"

    def words(self, *more: str | Path) -> list[str]:
        """The command line of an init with shares in files."""
        given = more or ("--shares", "3", "--shares-to-files", self.shares)
        options = ["-f", self.file, "--yes", "--admin-to", self.admin, *given]
        return [sys.executable, "-m", "issuer", "pki", "init", *map(str, options)]

    def environment(self, addr: str = "") -> dict[str, str]:
        """The variables of the command."""
        return {
            "VAULT_ADDR": addr or self.bao.addr,
            "VAULT_CACERT": str(self.bao.ca_file),
            "VAULT_TOKEN": "",
            "BAO_TOKEN": "",
            "T": "t",
        }

    def init(self, *more: str | Path, addr: str = "", given: str = "") -> int:
        """Run it to its end with `given` on standard input, keep what it printed, return its code."""
        words = self.words(*more)[3:]
        ran = CliRunner().invoke(app, words, env=self.environment(addr), input=given)
        self.output = ran.output
        return ran.exit_code

    def run(self, *words: str) -> Result:
        """Run another command of `pki` on the file, by the admin login."""
        variables = {**self.environment(), "VAULT_TOKEN": self.token()}
        return CliRunner().invoke(app, ["pki", *words, "-f", str(self.file)], env=variables)

    def cut(self, at: str, mode: CutMode, *, goes_on: bool = False) -> int:
        """Run it, and end the connection at a call; unless the proxy `goes_on` there is none after it."""
        proxy = CuttingProxy(self.bao, at, mode, self.tls)
        proxy.goes_on = goes_on
        with proxy.running():
            code = self.init(addr=proxy.addr)
        assert proxy.is_cut, proxy.paths
        return code

    def signalled(self, at: str, sent: signal.Signals) -> int:
        """Run it in a process that gets a signal when Vault has answered a call, and before it hears so."""
        with CuttingProxy(self.bao, tls=self.tls).running() as proxy:
            ran = self.started(proxy.addr)

            def held(call: str) -> None:
                self.seen += [command_lines(), environments()]
                if call == at:
                    ran.send_signal(sent)

            proxy.held = held
            self.output, _ = ran.communicate()
        return ran.returncode

    def started(self, addr: str = "", *more: str | Path) -> subprocess.Popen[str]:
        """Start it in a process of its own."""
        return subprocess.Popen(
            self.words(*more),
            env={**os.environ, **self.environment(addr)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def calls(self) -> list[str]:
        """Run it to its end, and return its calls, each once."""
        with CuttingProxy(self.bao, tls=self.tls).running() as proxy:
            assert self.init(addr=proxy.addr) == 0, self.output
        return list(dict.fromkeys(proxy.paths))

    def go_on(self) -> int:
        """Unseal by the shares of the files, and continue with the root token that stayed, or one made from
        them."""
        self.unseal()
        token = self.root.read_text().strip() if self.root.exists() else self.generated_root()
        self.admin.unlink(missing_ok=True)
        return self.init("--continue", given=f"{token}\n")

    def unseal(self) -> None:
        """Unseal by the shares of the files, and wait until it is active."""
        for share in self.kept():
            if self.bao.sealed:
                self.bao.call("PUT", "sys/unseal", {"key": share}, token="")
        self.bao.process.wait_ready(self.is_active)

    def is_active(self) -> bool:
        """Return True if it is unsealed and the active node."""
        try:
            self.bao.call("GET", "sys/health", token="")
        except (TestbedError, HTTPError):
            return False
        return True

    def generated_root(self) -> str:
        """A new root token, made from the shares of the files."""
        begun = self.bao.call("PUT", "sys/generate-root/attempt", {}, token="")
        answer: dict[str, Any] = {}
        for share in self.kept():
            if not answer.get("complete"):
                body = {"key": share, "nonce": begun["nonce"]}
                answer = self.bao.call("PUT", "sys/generate-root/update", body, token="")
        encoded = str(answer["encoded_token"])
        mixed = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
        return bytes(a ^ b for a, b in zip(mixed, begun["otp"].encode(), strict=True)).decode()

    def kept(self) -> list[str]:
        """The shares in the files, in order."""
        return [path.read_text().strip() for path in sorted(self.shares.iterdir())]

    def token(self) -> str:
        """The admin login of the file."""
        return self.admin.read_text().strip()

    def asked(self, method: str, path: str, token: str, body: dict[str, Any] | None = None) -> Any:
        """One call by a token; None where Vault refuses it."""
        try:
            return self.bao.call(method, path, body, token=token).get("data")
        except HTTPError as error:
            if error.status != 403:
                raise
            return None

    def works(self) -> None:
        """Assert that the one login works, and that the foundation stands and nothing of the other part."""
        token = self.token()
        found = self.asked("GET", "auth/token/lookup-self", token)
        held = (found["orphan"], found["policies"], found["creation_ttl"])
        assert held == (True, ["default", ADMIN], 86400)
        there = {*self.asked("GET", "sys/mounts", token), *self.asked("GET", "sys/auth", token)}
        assert {"t-root/", "t-approle/"} <= there
        assert "t-int/" not in there

    def root_tokens(self, token: str) -> list[str]:
        """Accessors of root tokens, as a token may list them."""
        keys = self.asked("LIST", "auth/token/accessors", token)["keys"]
        found = []
        for accessor in keys:
            data = self.asked("POST", "auth/token/lookup-accessor", token, {"accessor": accessor})
            if "root" in data["policies"]:
                found.append(accessor)
        return found


class _OpenBao(OpenBao):
    """A server that makes root tokens from shares for whoever asks, as Vault does."""

    unseals_itself = False

    def _configuration(self, port: int, mtls_port: int) -> dict[str, Any]:
        found = super()._configuration(port, mtls_port)
        found["listener"][0]["tcp"]["disable_unauthed_generate_root_endpoints"] = False
        if self.unseals_itself:
            key = base64.b64encode(bytes(range(32))).decode()
            found["seal"] = [{"static": {"current_key_id": "1", "current_key": key}}]
        return found


@contextmanager
def new_vault(folder: Path, text: str = TWO_TIER, *, unseals_itself: bool = False) -> Iterator[NewVault]:
    """Start a server that nobody has initialised; by default it is unsealed by shares."""
    server = folder / "openbao"
    bao = _OpenBao(find_bao(), server)
    bao.unseals_itself = unseals_itself
    try:
        bao.start(initialise=False)
        tls = ServerFiles(server / "openbao.crt", server / "openbao.key", bao.ca_file)
        yield NewVault(bao, folder, written(folder, text), tls)
    finally:
        bao.close()
