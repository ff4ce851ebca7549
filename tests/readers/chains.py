"""Programs that judge a server's chain, given a root, what a server sends, and the name it is asked for."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent


@dataclass(frozen=True, slots=True)
class SentChain:
    """A chain as PEM: `sent` begins with the leaf and ends below the root."""

    root: str
    sent: Sequence[str]
    host: str


@dataclass(frozen=True, slots=True)
class ChainVerifier:
    """One program. `judge` takes a chain and an empty folder, and returns what it objects to, "" for nothing.

    `is_slow` if it takes seconds: CI leaves it to `make test-readers`.
    """

    program: str
    package: str
    judge: Callable[[SentChain, Path], str]
    is_slow: bool = False

    @property
    def missing(self) -> str | None:
        """What is to be installed, or None."""
        if shutil.which(self.program):
            return None
        return f"{self.program} is not installed (Debian: {self.package})"


def _run(folder: Path, *words: str, given: str = "") -> str:
    done = subprocess.run(words, cwd=folder, input=given, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else f"{' '.join(words)}: {done.stdout}{done.stderr}"


def _written(chain: SentChain, folder: Path) -> None:
    (folder / "root.pem").write_text(chain.root)
    (folder / "chain.pem").write_text("".join(chain.sent))
    (folder / "above.pem").write_text("".join(chain.sent[1:]))
    for number, one in enumerate(chain.sent):
        (folder / f"{number}.pem").write_text(one)


def _openssl(chain: SentChain, folder: Path) -> str:
    _written(chain, folder)
    words = ("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", chain.host)
    return _run(folder, *words, "-CAfile", "root.pem", "-untrusted", "above.pem", "0.pem")


def _certtool(chain: SentChain, folder: Path) -> str:
    _written(chain, folder)
    words = ("certtool", "--verify", "--load-ca-certificate", "root.pem", "--verify-hostname", chain.host)
    return _run(folder, *words, "--verify-purpose", "1.3.6.1.5.5.7.3.1", given="".join(chain.sent))


def _nss(chain: SentChain, folder: Path) -> str:
    """Have NSS judge it by `certutil -V` for a TLS server, as Firefox and Chromium's store do."""
    _written(chain, folder)
    words = ("certutil", "-d", "sql:.")
    said = _run(folder, *words, "-N", "--empty-password")
    said += _run(folder, *words, "-A", "-n", "root", "-t", "C,,", "-i", "root.pem")
    for number in range(len(chain.sent)):
        said += _run(folder, *words, "-A", "-n", str(number), "-t", ",,", "-i", f"{number}.pem")
    return said + _run(folder, *words, "-V", "-n", "0", "-u", "V", "-e")


def _keytool(chain: SentChain, folder: Path) -> str:
    """Have keytool take each certificate from the top down: it asks, and gets no answer, where it sees no
    chain to one that it trusts."""
    _written(chain, folder)
    words = ("keytool", "-importcert", "-keystore", "store.p12", "-storepass", "changeit")
    said = _run(folder, *words, "-noprompt", "-alias", "root", "-file", "root.pem")
    for number in reversed(range(len(chain.sent))):
        said += _run(folder, *words, "-alias", str(number), "-file", f"{number}.pem", given="\n")
    there = _run(
        folder, "keytool", "-list", "-keystore", "store.p12", "-storepass", "changeit", "-alias", "0"
    )
    return said + there


def _go(chain: SentChain, folder: Path) -> str:
    _written(chain, folder)
    return _run(folder, "go", "run", str(HERE / "chain.go"), "root.pem", "chain.pem", chain.host)


CHAIN_VERIFIERS: Final[Mapping[str, ChainVerifier]] = {
    "OpenSSL": ChainVerifier("openssl", "openssl", _openssl),
    "GnuTLS": ChainVerifier("certtool", "gnutls-bin", _certtool),
    "NSS": ChainVerifier("certutil", "libnss3-tools", _nss),
    "keytool": ChainVerifier("keytool", "default-jre-headless", _keytool, is_slow=True),
    "Go": ChainVerifier("go", "golang-go", _go, is_slow=True),
}
