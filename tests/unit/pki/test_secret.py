"""Secrets are not shown by anything that prints."""

from __future__ import annotations

import json
import pickle

import pytest

from issuer.pki.resources.resource import VaultWrite
from issuer.pki.secret import SecretText, revealed

WORD = "hvs.CAESISEKRET"


def test_no_form_of_text_shows_a_secret() -> None:
    secret = SecretText(WORD)
    for text in (repr(secret), str(secret), f"{secret}", f"{[secret]}", f"{ {'a': secret} }"):
        assert WORD not in text
    assert WORD not in repr(VaultWrite("POST", "auth/x/config", {"jwt": secret}))


def test_json_and_pickle_refuse_a_secret() -> None:
    with pytest.raises(TypeError):
        json.dumps({"a": SecretText(WORD)})
    with pytest.raises(TypeError):
        pickle.dumps(SecretText(WORD))


def test_only_what_is_sent_holds_it() -> None:
    assert revealed({"a": SecretText(WORD), "b": 1}) == {"a": WORD, "b": 1}
