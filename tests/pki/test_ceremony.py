"""docs/offline-root.md, typed block by block: the root's without a network, others at an OpenBao.

At the end the CAs of two environments sign below one root, whose key was never in Vault.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509

from testbed.cluster import REPOSITORY
from testbed.openbao import OpenBao
from tests.docs.console import Block, console
from tests.pki.support import Vault
from tests.sizes import LONGER
from tests.unit.docs.pages import blocks
from tests.unit.root.support import alone, openssl, spki

PAGE: Final = REPOSITORY / "docs" / "offline-root.md"
OFFLINE: Final = "# offline machine"
BESIDE: Final = "# beside Vault"
PASSPHRASES: Final = ("the first person's words", "the second person's words")
ANSWERS: Final = {
    **{f"New passphrase {number} of 2:": text for number, text in enumerate(PASSPHRASES, 1)},
    **{f"Passphrase {number} of 2:": text for number, text in enumerate(PASSPHRASES, 1)},
    **{f"Again {number} of 2:": text for number, text in enumerate(PASSPHRASES, 1)},
    "[y/N]:": "y",
}
CHANGED: Final = {
    **{f"New passphrase {number} of 2:": f"other words of person {number}" for number in (1, 2)},
    **{f"Again {number} of 2:": f"other words of person {number}" for number in (1, 2)},
}
"""Answers of those who change their passphrases."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One of the two machines: a folder, and what its terminal has set. A stick goes between them."""

    folder: Path
    stick: Path
    environment: Mapping[str, str]
    before: tuple[str, ...] = ()

    def type(self, block: Block) -> str:
        """Type a block; the test fails unless all of it succeeds. Returns what the terminal shows."""
        script = self.folder / ".typed"
        text = "\n".join(step.script for step in block.steps).replace("/media/stick", str(self.stick))
        script.write_text(f"umask 077\n{text}\n")
        answers = {**ANSWERS, **(CHANGED if "root passphrase" in text else {})}
        questions = [word for pair in answers.items() for word in pair]
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        ran = subprocess.run(
            [*self.before, sys.executable, str(REPOSITORY / "tests" / "terminal.py"), script, *questions],
            cwd=self.folder,
            env={"PATH": path, "HOME": str(self.folder), **self.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, f"{block.where}\n{text}\n{ran.stdout}{ran.stderr}"
        return ran.stdout


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    path = tmp_path / "stick"
    path.mkdir()
    return path


@pytest.fixture
def offline(tmp_path: Path, stick: Path) -> Machine:
    words = tuple(alone())
    folder = tmp_path / "offline"
    folder.mkdir()
    old = ["req", "-x509", "-newkey", "rsa:3072", "-noenc", "-days", "3000", "-subj", "/CN=Old Root"]
    openssl(*old, "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    return Machine(folder, stick, {}, words)


@pytest.fixture
def beside(tmp_path: Path, stick: Path, bao: OpenBao) -> Machine:
    folder = tmp_path / "beside"
    folder.mkdir()
    (folder / "config").symlink_to(REPOSITORY / "config")
    return Machine(folder, stick, {**Vault(bao, "").environment(), "KUBERNETES_CA": bao.ca_pem})


def prepared(offline: Machine) -> None:
    """Write the page's ceremony file, for the CSR that is on the stick."""
    text = next(one for one in blocks(PAGE, "yaml") if one.startswith("version: 1"))
    request = offline.stick / "test-ca.csr"
    text = text.replace("64 hex digits, as agreed", spki(request.read_bytes()))
    (offline.folder / "env.csr").write_bytes(request.read_bytes())
    (offline.folder / "ceremony.yaml").write_text(text)


@LONGER
def test_every_block_of_the_page_is_typed(offline: Machine, beside: Machine, bao: OpenBao) -> None:
    shown = ""
    for block in console(PAGE):
        script = block.steps[0].script
        assert script.startswith((OFFLINE, BESIDE)), f"{block.where}: whose terminal is it?"
        if "ceremony.yaml" in script:
            prepared(offline)
        shown += (offline if script.startswith(OFFLINE) else beside).type(block)
    assert not any(one in shown for one in (*PASSPHRASES, *CHANGED.values()))
    root = x509.load_pem_x509_certificate((offline.folder / "root" / "root.pem").read_bytes())
    for environment, name in (
        ("test", "shop.apps.test.example.test"),
        ("prod", "shop.apps.prod.example.test"),
    ):
        mount = f"pki_{environment}"
        assert len(bao.call("LIST", f"{mount}/keys")["data"]["keys"]) == 1
        answer = bao.write(f"{mount}/issue/app", {"common_name": name, "ttl": "1h"})
        pem = {"leaf": answer["certificate"], "ca": answer["issuing_ca"]}
        for file, text in pem.items():
            (beside.folder / f"{file}.pem").write_text(f"{text}\n")
        authority = x509.load_pem_x509_certificate(pem["ca"].encode())
        authority.verify_directly_issued_by(root)
        chain: list[str | Path] = ["-untrusted", beside.folder / "ca.pem", beside.folder / "leaf.pem"]
        openssl("verify", "-x509_strict", "-CAfile", beside.stick / "public" / "root.pem", *chain)
