"""A process that writes a set of files, killed at a system call or at any moment; what readers see."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from issuer.agent.files.opening import opened_set
from tests.agent.handshakes import fits

# Reads a command a line. `once` and `ever` fork a child that stops itself, and print its number: continued,
# it writes one set, or sets without end. Any other line waits for the child's end.
_WRITER = """
import os, signal, sys
from datetime import datetime, timedelta, UTC
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from issuer.agent.config.files import DEFAULT_FILES
from issuer.agent.files.contents import CertificateSet
from issuer.agent.files.opening import opened_set
from issuer.agent.files.writing import NewFile
def made():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a")])
    now = datetime.now(UTC)
    end = now + timedelta(days=1)
    leaf = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(end)
        .sign(key, hashes.SHA256()))
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    one = CertificateSet((leaf,), (leaf,), leaf, der)
    return {file.name: NewFile(one.render(file.kind), file.final_mode) for file in DEFAULT_FILES}
folder, sets = Path(sys.argv[1]), [made(), made()]
def write(number):
    with opened_set(folder) as opened:
        opened.write(sets[number % 2], {"serial": str(number % 2)})
write(0)
print("ready", flush=True)
number = 0
for line in sys.stdin:
    number += 1
    child = os.fork()
    if child == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        while True:
            write(number)
            number += 1
            if line == "once\\n":
                os._exit(0)
    os.waitpid(child, os.WUNTRACED)
    print(child, flush=True)
    sys.stdin.readline()
    print(os.waitpid(child, 0)[1], flush=True)
"""
IGNORED = frozenset({"restart_syscall", "exit_group", "rt_sigreturn", "+++", "---"})


class Writer:
    """The process; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._said() == "ready"

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    @contextmanager
    def child(self, how: str) -> Iterator[int]:
        """Give the number of a stopped child; its end is waited for."""
        self._say(how)
        child = int(self._said())
        yield child
        self._say("end")
        self._said()

    def calls(self, trace: Path) -> list[tuple[str, int]]:
        """Return the system calls of one writing: name, and how many of that name there were with it."""
        with self.child("once") as child, traced(child, ["-o", str(trace)]):
            os.kill(child, signal.SIGCONT)
            while not _has_ended(child):
                pass
        seen: Counter[str] = Counter()
        found = []
        for line in trace.read_text().splitlines():
            name = line.partition("(")[0].split(" ")[-1]
            if name.isidentifier() and name not in IGNORED:
                seen[name] += 1
                found.append((name, seen[name]))
        return found

    def killed_at(self, name: str, number: int) -> None:
        """Write once, killed at the `number`th system call `name`."""
        inject = f"inject={name}:signal=KILL:when={number}"
        with self.child("once") as child, traced(child, ["-o", os.devnull, "-e", inject]):
            os.kill(child, signal.SIGCONT)
            while not _has_ended(child):
                pass

    def problem(self) -> str:
        """Return what readers see wrong, before and after the next agent's look; empty if nothing is."""
        before = self._seen()
        with opened_set(self.folder) as opened:
            changed = opened.changed()
        after = self._seen()
        return before or after or (f"changed: {changed}" if changed else "")

    def _seen(self) -> str:
        files = {name: (self.folder / name).read_bytes() for name in ("tls.key", "tls.crt", "combined.pem")}
        if not fits(files["tls.key"], files["tls.crt"]):
            return "key and certificate don't fit"
        if not fits(files["combined.pem"], files["combined.pem"]):
            return "the combined PEM doesn't fit"
        return "" if files["tls.crt"] in files["combined.pem"] else "two sets are mixed"

    def _say(self, text: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()

    def _said(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def traced(pid: int, options: list[str]) -> Iterator[None]:
    """Trace a process that is stopped; entered once strace holds it."""
    process = subprocess.Popen(
        ["strace", "-p", str(pid), *options], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert "attached" in said, said
        yield
    finally:
        process.wait()
        process.stderr.close()


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return True
