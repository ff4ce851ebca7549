"""Secrets are not shown by anything that prints."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuer.pki.authorities.files import AuthorityFiles
from issuer.pki.file.reading import BOTH_PARTS, load_texts
from issuer.pki.plan.planning import plan_of
from issuer.pki.resources.resource import VaultWrite, hide
from issuer.pki.secret import SecretText, revealed
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input
from tests.pki.cas import root

WORD = "hvs.CAESISEKRET"
FILE = """\
foundation:
  mounts: {pki: {}}
  authorities:
    home: {mount: pki, import: {bundle: bundle.pem, passphrase: "${WORD}"}}
  auth:
    cluster: {type: kubernetes, config: {kubernetes_host: "https://k.test", token_reviewer_jwt: "${WORD}"}}
    ci: {type: jwt, config: {oidc_discovery_url: "https://ci.example.test", oidc_client_secret: "${WORD}"}}
    google:
      type: jwt
      config:
        oidc_client_sceret: "${WORD}"
        provider_config: {provider: gsuite, gsuite_service_account: "${WORD}", newer: {key: ["${WORD}"]}}
    odd: {type: jwt, config: {provider_config: "key=${WORD}"}}
    agents: {type: approle, roles: {web: {secret_id: "${WORD}"}}}
"""


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


def test_no_part_of_a_plan_shows_a_secret(tmp_path: Path) -> None:
    key = root("Home CA")
    (tmp_path / "bundle.pem").write_text(key.pem + key.key_pem(WORD))
    loaded = load_texts([("pki.yaml", FILE.encode())], {"WORD": WORD}, tmp_path)
    files = AuthorityFiles(tmp_path)
    keyed = files.keyed(loaded.file.foundation.authorities["home"])
    given = plan_input(loaded, BOTH_PARTS, resend=True)
    plan = plan_of(given, VaultReading({}), {}, datetime(2026, 11, 27, tzinfo=UTC))
    told: list[object] = [keyed, loaded, loaded.file, given, plan, plan.steps, *given.resources]
    told += [write for step in plan.steps for write in step.writes]
    plain = key.key_pem().splitlines()[1]
    for one in (*map(repr, told), *map(str, told), str(plan.to_json()), json.dumps(plan.to_json())):
        assert WORD not in one
        assert plain not in one
    sent = [write.body for step in plan.steps for write in step.writes]
    assert [revealed(body)["token_reviewer_jwt"] for body in sent if "token_reviewer_jwt" in body] == [WORD]
    providers = [revealed(body)["provider_config"] for body in sent if "provider_config" in body]
    inner = {"provider": "gsuite", "gsuite_service_account": WORD, "newer": {"key": [WORD]}}
    assert providers == [inner, f"key={WORD}"]
    assert "oidc_client_sceret: neither OpenBao" in str(plan.problems)


GOOGLE = """\
foundation:
  auth:
    google:
      type: jwt
      config: {provider_config: {provider: gsuite, gsuite_service_account: "${WORD}"}}
"""


@pytest.mark.parametrize(
    ("provider", "changed"),
    [
        ({"provider": "gsuite"}, False),
        ({"provider": "gsuite", "gsuite_service_account": WORD}, False),
        ({"provider": "gsuite", "gsuite_service_account": "hvs.CAESISEKRET2"}, True),
        ({"provider": "azure", "credential": WORD}, True),
    ],
)
def test_a_secret_in_a_map_is_compared_where_vault_gives_it_back(
    provider: dict[str, str], changed: bool
) -> None:
    loaded = load_texts([("pki.yaml", GOOGLE.encode())], {"WORD": WORD}, Path())
    reading = VaultReading(
        {
            "sys/auth": PathRead({"google/": {"type": "jwt"}}),
            "auth/google/config": PathRead({"provider_config": provider}),
        }
    )
    plan = plan_of(plan_input(loaded, BOTH_PARTS), reading, {}, datetime(2026, 11, 27, tzinfo=UTC))
    (step,) = [one for one in plan.steps if one.kind == "auth config"]
    assert step.action.applies == changed
    assert step.not_comparable == ("provider_config.gsuite_service_account",)
    assert WORD not in str(plan.to_json())


def test_a_secret_of_another_type_is_hidden_too() -> None:
    assert WORD not in repr(hide({"jwt": [WORD], "host": "h"}, frozenset({"jwt"})))


def test_only_what_is_sent_holds_it() -> None:
    assert revealed({"a": SecretText(WORD), "b": 1}) == {"a": WORD, "b": 1}
