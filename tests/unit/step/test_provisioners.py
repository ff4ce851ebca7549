"""The list of provisioners, whatever is in it; and the tokens that are made in the name of one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from issuer.step.keys import read_public
from issuer.step.provisioners import ProvisionerSearch
from issuer.step.tokens import SIGN_PATH, TokenIssuer
from tests.unit.step.fake import decoded, jwk
from tests.unit.step.test_keys import KEY, read_own

ONE = {
    "type": "JWK",
    "name": "admin",
    "key": jwk(KEY, private=False, kid="one"),
    "encryptedKey": "a.b.c.d.e",
    "claims": {"minTLSCertDuration": "5m", "maxTLSCertDuration": "24h0m0s", "defaultTLSCertDuration": "8h"},
}
NOW = datetime(2026, 11, 27, 8, 0, 0, 900_000, tzinfo=UTC)


def searched(page: Any, name: str = "admin", kid: str = "one") -> ProvisionerSearch:
    search = ProvisionerSearch(name, kid)
    search.read(page)
    return search


def test_a_provisioner_is_found_by_name_and_key_id_with_its_claims() -> None:
    page = [{"type": "ACME", "name": "admin"}, ONE]
    provisioner = searched(page).found
    assert provisioner is not None
    hours = timedelta(hours=1)
    assert (provisioner.shortest, provisioner.longest, provisioner.usual) == (
        timedelta(minutes=5),
        24 * hours,
        8 * hours,
    )
    assert provisioner.public == read_public(jwk(KEY, private=False))
    assert "a.b.c" not in repr(provisioner)
    assert searched(page, kid="two").found is None
    assert searched(page, name="Admin").found is None


def test_of_other_provisioners_a_few_names_are_kept_and_no_key_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[Any] = []
    monkeypatch.setattr("issuer.step.provisioners.read_public", read.append)
    others = [{**ONE, "name": f"{n:03}" + "x" * 5000} for n in range(50)]
    same = [{"type": "ACME", "name": "admin"}] * 50 + [{**ONE, "key": {"kid": f"{n:03}"}} for n in range(50)]
    search = searched([*others, *same])
    assert (search.found, read) == (None, [])
    assert [one.name[:3] for one in search.listed] == [f"{n:03}" for n in range(10)]
    assert max(len(one.name) for one in search.listed) <= 200
    assert [(one.type, one.kid) for one in search.same] == [("JWK", f"{n:03}") for n in range(10)]
    search.read([ONE])
    assert (search.found is not None, len(read)) == (True, 1)


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
    found = searched(odd).found
    assert found is None or (found.shortest, found.longest) == (None, None)


def test_a_token_grants_the_names_once_for_five_minutes() -> None:
    issuer = TokenIssuer("admin", "one", "https://ca.example.test:9000")
    key = read_own(jwk(KEY, private=True))
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
