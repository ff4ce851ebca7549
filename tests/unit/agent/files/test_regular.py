"""Files that are read back: another kind in their place is neither followed nor waited for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuer.agent.config.files import CopiedFile
from issuer.agent.config.model import CAChainSpec
from issuer.agent.files.contents import CertificateSet
from issuer.agent.files.numbered import GENERATIONS
from issuer.agent.files.opening import opened_set, seen_set
from issuer.agent.files.regular import read_regular
from issuer.agent.files.writing import NewFile, attributes_of
from issuer.agent.hooks.consumer import identity_of
from issuer.agent.renewal.source import write_copies
from tests.ca import TestCA


@pytest.fixture
def never_waits() -> Iterator[None]:
    """End a test that waits for a FIFO's writer, as it would for ever."""

    def end(*_: object) -> NoReturn:
        pytest.fail("waited for a FIFO")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_file_is_read_and_a_symlink_is_not(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"here")
    (tmp_path / "link").symlink_to("file")
    assert read_regular(tmp_path / "file") == b"here"
    with pytest.raises(OSError, match="link"):
        read_regular(tmp_path / "link")


@pytest.mark.usefixtures("never_waits")
def test_fifo_of_a_copy_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "web.p12")
    copy = CopiedFile.model_validate({"path": str(tmp_path / "web.p12"), "kind": "pkcs12"})
    folder = str(tmp_path / "web")
    spec = CAChainSpec.model_validate({"name": "web", "folder": folder, "mount": "pki"})
    spec = spec.model_copy(update={"copies": (copy,)})
    with opened_set(spec.folder) as opened:
        opened.write({"ca.crt": NewFile(b"", 0o644)}, {})
    assert identity_of(spec)
    ca = TestCA.make()
    der = ca.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    write_copies(spec, CertificateSet((), (ca.root,), ca.intermediate, der))
    assert copy.path.is_file()


@pytest.mark.usefixtures("never_waits")
@pytest.mark.parametrize("name", [".set.json", "tls.key"])
def test_fifo_in_a_set_is_not_waited_for(tmp_path: Path, name: str) -> None:
    with opened_set(tmp_path) as folder:
        folder.write({"tls.key": NewFile(b"key", 0o600)}, {})
    (tmp_path / GENERATIONS / "00000001" / name).unlink()
    os.mkfifo(tmp_path / GENERATIONS / "00000001" / name)
    with seen_set(tmp_path) as seen:
        assert seen is not None
        assert seen.read("tls.key") is None


@pytest.mark.usefixtures("never_waits")
def test_attributes_are_of_the_file_itself(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("file")
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        os.setxattr(tmp_path / "file", "user.label", b"x")
        assert attributes_of(fd, "fifo") == attributes_of(fd, "link") == {}
        assert attributes_of(fd, "file") == {"user.label": b"x"}
    except OSError:
        pytest.skip("no extended attributes here")
    finally:
        os.close(fd)
