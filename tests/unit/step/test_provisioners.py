"""The list of provisioners, whatever is in it; and the tokens that are made in the name of one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from issuer.step.keys import read_private
from issuer.step.provisioners import chosen, read_provisioners
from issuer.step.tokens import SIGN_PATH, TokenIssuer
from tests.unit.step.fake import decoded, jwk
from tests.unit.step.test_keys import KEY, text

ONE = {
    "type": "JWK",
    "name": "admin",
    "key": jwk(KEY, private=False, kid="one"),
    "encryptedKey": "a.b.c.d.e",
    "claims": {"minTLSCertDuration": "5m", "maxTLSCertDuration": "24h0m0s", "defaultTLSCertDuration": "8h"},
}
NOW = datetime(2026, 11, 27, 8, 0, 0, 900_000, tzinfo=UTC)


def test_a_provisioner_is_found_by_name_and_key_id_with_its_claims() -> None:
    found = read_provisioners([{"type": "ACME", "name": "admin"}, ONE])
    provisioner = chosen(found, "admin", "one")
    assert provisioner is not None
    hours = timedelta(hours=1)
    assert (provisioner.shortest, provisioner.longest, provisioner.usual) == (
        timedelta(minutes=5),
        24 * hours,
        8 * hours,
    )
    assert provisioner.public == read_private(text(jwk(KEY, private=True))).public
    assert "a.b.c" not in repr(provisioner)
    assert chosen(found, "admin", "two") is None
    assert chosen(found, "Admin", "one") is None


@pytest.mark.parametrize(
    "odd",
    [
        None,
        {},
        "list",
        [None, 5, []],
        [{"name": 5, "type": [], "key": "x", "claims": 7, "encryptedKey": {}}],
        [{**ONE, "claims": {"maxTLSCertDuration": "never", "minTLSCertDuration": 5}}],
        [{**ONE, "claims": {"maxTLSCertDuration": "-1h", "minTLSCertDuration": "0s"}}],
    ],
    ids=range(7),
)
def test_an_odd_list_sets_no_bounds(odd: Any) -> None:
    found = read_provisioners(odd)
    assert all((one.shortest, one.longest) == (None, None) for one in found)


def test_a_token_grants_the_names_once_for_five_minutes() -> None:
    issuer = TokenIssuer("admin", "one", "https://ca.example.test:9000")
    key = read_private(text(jwk(KEY, private=True)))
    tokens = [issuer.token(key, SIGN_PATH, "web", ("web", "10.0.0.1"), NOW) for _ in range(2)]
    header, claims = (json.loads(decoded(part)) for part in tokens[0].split(".")[:2])
    assert header == {"alg": "ES256", "kid": "one", "typ": "JWT"}
    jti = claims.pop("jti")
    seconds = int(NOW.timestamp())
    assert claims == {
        "iss": "admin",
        "aud": "https://ca.example.test:9000/1.0/sign",
        "sub": "web",
        "sans": ["web", "10.0.0.1"],
        "iat": seconds,
        "nbf": seconds,
        "exp": seconds + 300,
    }
    assert jti != json.loads(decoded(tokens[1].split(".")[1]))["jti"]
