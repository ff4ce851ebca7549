"""DELETEs that are refused, or whose answer is lost: what a list shows to be gone is deleted, and no more."""

from __future__ import annotations

from typing import Any, cast

import pytest

from issuer.pki.errors import PkiError
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.vault.errors import (
    ServerError,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
)
from issuer.vault.transport import VaultClient


class Deleter:
    """Refuses every DELETE, and lists `keys`; a list that may not be read is None."""

    def __init__(self, error: VaultError, keys: list[str] | None) -> None:
        self.error, self.keys = error, keys
        self.listed: list[str] = []

    def adapter(self, token: str) -> Deleter:
        return self

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        if method == "DELETE":
            raise self.error
        self.listed.append(path)
        if self.keys is None:
            raise VaultForbidden("403", status=403)
        return {"data": {"keys": self.keys}}


REFUSALS = [
    VaultBadRequest("400", status=400),
    VaultForbidden("403", status=403),
    VaultNotFound("404", status=404),
    ServerError("500", status=500),
]


@pytest.mark.parametrize("error", REFUSALS, ids=str)
@pytest.mark.parametrize(
    ("path", "listed"),
    [("a/pki/issuer/i1", "a/pki/issuers/"), ("pki/key/i1", "pki/keys/"), ("pki/roles/i1", "pki/roles/")],
)
async def test_what_is_gone_is_deleted_whatever_was_answered(
    error: VaultError, path: str, listed: str
) -> None:
    server = Deleter(error, ["i2"])
    await VaultCalls(cast(VaultClient, server), SecretText("t")).delete(path)
    assert server.listed == [f"/v1/{listed}"]


@pytest.mark.parametrize("error", REFUSALS, ids=str)
@pytest.mark.parametrize("keys", [["i1"], None], ids=["there-in-lower-case", "not-readable"])
async def test_what_is_there_or_cant_be_seen_is_not_deleted(
    error: VaultError, keys: list[str] | None
) -> None:
    calls = VaultCalls(cast(VaultClient, Deleter(error, keys)), SecretText("t"))
    with pytest.raises((PkiError, VaultBadRequest)):
        await calls.delete("sys/policies/acl/I1")
