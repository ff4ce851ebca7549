"""A provisioner's key under a password: opened by the right one, bounded, and never shown."""

from __future__ import annotations

import base64
import json
import textwrap
from typing import Any

import pytest

from issuer.step.errors import KeyUnusable, WrongPassword
from issuer.step.jwe import MAX_BYTES, MAX_ITERATIONS, EncryptedKey, is_json
from tests.unit.step.fake import encrypted

PARTS = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
SECRET = b'{"kty":"EC","d":"the-secret-number"}'
# Made by step-ca 0.30.2's `pki` package: its own number of iterations.


def test_the_password_opens_what_was_encrypted() -> None:
    assert EncryptedKey.parse(encrypted(SECRET, "right")).decrypt(b"right") == SECRET


@pytest.mark.parametrize("password", [b"wrong", b"", b"right\n", bytes(2000)])
def test_another_password_opens_nothing(password: bytes) -> None:
    with pytest.raises(WrongPassword):
        EncryptedKey.parse(encrypted(SECRET, "right")).decrypt(password)


@pytest.mark.parametrize(
    "changed",
    [
        {"alg": "RSA-OAEP"},
        {"alg": "dir"},
        {"enc": "A128CBC-HS256"},
        {"zip": "DEF"},
        {"crit": ["exp"]},
        {"p2c": MAX_ITERATIONS + 1},
        {"p2c": 999},
        {"p2c": -1},
        {"p2c": True},
        {"p2c": 1e5},
        {"p2c": None},
        {"p2s": ""},
        {"p2s": "AA"},
        {"p2s": "A" * 1000},
        {"p2s": 5},
    ],
    ids=repr,
)
def test_a_header_that_asks_for_something_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(KeyUnusable):
        EncryptedKey.parse(encrypted(SECRET, "right", **changed))


@pytest.mark.parametrize(
    "text",
    ["", "a.b.c.d.e", "e30.e30.e30.e30", "e30.e30.e30.e30.e30.e30", "W10.e30.e30.e30.e30", "ä.b.c.d.e"],
)
def test_what_is_no_encrypted_key_is_refused(text: str) -> None:
    with pytest.raises(KeyUnusable):
        EncryptedKey.parse(text)


def test_a_huge_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(KeyUnusable, match="larger"):
        EncryptedKey.parse("A" * (MAX_BYTES + 1))


@pytest.mark.parametrize("part", range(1, 5))
def test_a_changed_part_opens_nothing(part: int) -> None:
    parts = encrypted(SECRET, "right").split(".")
    parts[part] = ("B" if parts[part][0] == "A" else "A") + parts[part][1:]
    with pytest.raises(WrongPassword):
        EncryptedKey.parse(".".join(parts)).decrypt(b"right")


def test_nothing_of_it_is_shown() -> None:
    text = encrypted(SECRET, "right")
    shown = repr(EncryptedKey.parse(text))
    assert not any(part in shown for part in text.split(".")[1:])


def as_json(text: str, **more: Any) -> str:
    """A compact JWE as `step crypto jwk create` writes it: JSON, indented."""
    return json.dumps(dict(zip(PARTS, text.split("."), strict=True)) | more, indent=2)


def test_what_step_crypto_jwk_create_writes_is_opened() -> None:
    text = as_json(encrypted(SECRET, "right"))
    assert is_json(text)
    assert EncryptedKey.parse(text).decrypt(b"right") == SECRET
    with pytest.raises(WrongPassword):
        EncryptedKey.parse(text).decrypt(b"wrong")


def test_a_compact_key_may_be_folded_into_lines() -> None:
    text = encrypted(SECRET, "right")
    assert EncryptedKey.parse("\n ".join(textwrap.wrap(text, 64))).decrypt(b"right") == SECRET


@pytest.mark.parametrize(
    "more",
    [{"recipients": []}, {"header": {"alg": "dir"}}, {"unprotected": {}}, {"tag": 5}, {"iv": None}],
    ids=repr,
)
def test_other_forms_of_json_are_refused(more: dict[str, Any]) -> None:
    with pytest.raises(KeyUnusable):
        EncryptedKey.parse(as_json(encrypted(SECRET, "right"), **more))


@pytest.mark.parametrize("text", [SECRET.decode(), "{", "{}", "[]", "a.b.c.d.e"])
def test_a_plain_key_is_not_taken_for_an_encrypted_one(text: str) -> None:
    assert not is_json(text)


def test_a_key_in_base64_once_more_is_told_as_that() -> None:
    for text in (encrypted(SECRET, "right"), as_json(encrypted(SECRET, "right"))):
        with pytest.raises(KeyUnusable, match="decode it once more"):
            EncryptedKey.parse(base64.b64encode(text.encode()).decode())
