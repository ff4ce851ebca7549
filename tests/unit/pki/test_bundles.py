"""Bundles of existing CAs: taken in every order, and what is wrong in one is told with its line."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.authorities.bundles import BadBundle, keyed_ca
from issuer.pki.authorities.files import AuthorityFiles, check_bundles
from issuer.pki.file.reading import load_texts
from issuer.pki.secret import SecretText
from tests.pki.cas import FileCA, root

PASSPHRASE = "correct horse battery staple"  # of a test's key
FILE = """\
foundation:
  mounts: {pki: {}}
  authorities:
    home:
      mount: pki
      import: {bundle: bundle.pem, passphrase: "${PASSPHRASE}"KEY}
"""
TOP = root("Home Root CA")
MIDDLE = TOP.below("Home Policy CA")
HOME = MIDDLE.below("Home Issuing CA")


def test_a_bundle_is_taken_in_every_order() -> None:
    parts = (HOME.pem, MIDDLE.pem, TOP.pem, HOME.key_pem(PASSPHRASE))
    for order in itertools.permutations(parts):
        keyed = keyed_ca("".join(order).encode(), passphrase=SecretText(PASSPHRASE))
        assert keyed.chain.certificates == (HOME.certificate, MIDDLE.certificate, TOP.certificate)
        assert keyed.key.reveal() == HOME.key_pem()


def test_certificates_besides_the_chain_are_left_out() -> None:
    other = root("Other CA")
    text = other.pem + HOME.pem + HOME.pem + MIDDLE.pem + TOP.pem + HOME.key_pem()
    assert keyed_ca(text.encode()).chain.above == (MIDDLE.certificate, TOP.certificate)


def damaged(pem: str) -> str:
    first, _, rest = pem.partition("\n")
    return f"{first}\n{rest[rest.index(chr(10)) + 1 :]}"


def cut(pem: str) -> str:
    return pem[: len(pem) // 2] + "\n"


def test_a_block_that_is_wrong_is_told_with_its_line() -> None:
    key = HOME.key_pem(PASSPHRASE)
    after = len((HOME.pem + MIDDLE.pem).splitlines()) + 1
    for text, line, said in (
        (HOME.pem + MIDDLE.pem + damaged(TOP.pem) + key, after, "begins here can't be read"),
        (HOME.pem + MIDDLE.pem + cut(TOP.pem), after, "doesn't end"),
        (HOME.pem + MIDDLE.pem + cut(TOP.pem) + key, after, ""),
        (HOME.pem + MIDDLE.pem + damaged(key) + TOP.pem, after, "can't be decrypted"),
    ):
        with pytest.raises(BadBundle) as caught:
            keyed_ca(text.encode(), passphrase=SecretText(PASSPHRASE))
        assert caught.value.line == line
        assert said in str(caught.value)


def refusal(folder: Path, key: str = "") -> str:
    text = FILE.replace("KEY", f", key: {key}" if key else "").encode()
    loaded = load_texts([("pki.yaml", text)], {"PASSPHRASE": PASSPHRASE}, folder)
    with pytest.raises(BadInput) as caught:
        check_bundles(loaded.file, loaded.places, AuthorityFiles(folder))
    said = str(caught.value)
    assert said.startswith("pki.yaml:6 foundation.authorities.home.import: ")
    assert PASSPHRASE not in said
    return said.removeprefix("pki.yaml:6 foundation.authorities.home.import: ")


def test_a_bad_bundle_is_told_with_both_files_and_lines(tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_text(HOME.pem + cut(MIDDLE.pem))
    line = len(HOME.pem.splitlines()) + 1
    assert refusal(tmp_path).startswith(f"bundle.pem:{line}: a block begins here and doesn't end")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (damaged(HOME.key_pem(PASSPHRASE)), "home.key:1: its key can't be decrypted"),
        (HOME.pem, "home.key: it holds no private key"),
        (root("Other CA").key_pem(PASSPHRASE), "home.key: the key belongs to none of the certificates"),
        (None, "home.key: it is not there"),
    ],
    ids=["damaged", "no key", "another", "missing"],
)
def test_a_key_of_its_own_is_told_by_its_file(tmp_path: Path, content: str | None, said: str) -> None:
    (tmp_path / "bundle.pem").write_text(HOME.pem + MIDDLE.pem + TOP.pem)
    if content is not None:
        (tmp_path / "home.key").write_text(content)
    assert refusal(tmp_path, "home.key").startswith(said)


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"-----BEGIN CERTIFICATE-----"])
def test_text_that_is_no_pem_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bundle.pem").write_bytes(content)
    assert refusal(tmp_path).startswith("bundle.pem")


def test_a_bundle_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").mkdir()
    assert "bundle.pem can't be read: Is a directory" in refusal(tmp_path)


def test_a_ca_without_the_right_to_sign_is_no_ca() -> None:
    leaf = FileCA(MIDDLE.certificate, MIDDLE.key)
    with pytest.raises(BadBundle, match="add the certificates up to the root"):
        keyed_ca((leaf.pem + leaf.key_pem()).encode())
