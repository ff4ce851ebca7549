"""Calls that a rate limit of Vault's holds off are sent again, for a bounded time."""

from __future__ import annotations

from typing import Any, cast

import pytest

from issuer.pki.errors import VaultNotUsable
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import RATE_PATIENCE, VaultCalls
from issuer.vault.errors import VaultRateLimited
from issuer.vault.transport import VaultClient


class LimitedServer:
    """Answers 429 `times` times, with `after` as the pause, and then data."""

    def __init__(self, times: int, after: float | None = None) -> None:
        self.times, self.after = times, after
        self.sent = 0

    def adapter(self, token: str) -> LimitedServer:
        assert token == "t"
        return self

    async def request(self, method: str, path: str, **_: Any) -> dict[str, Any]:
        self.sent += 1
        if self.sent <= self.times:
            raise VaultRateLimited(f"429 to {method} {path}", status=429, retry_after=self.after)
        return {"data": {"a": 1}}


def calls(server: LimitedServer) -> tuple[VaultCalls, list[float]]:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    return VaultCalls(cast("VaultClient", server), SecretText("t"), sleep=sleep), slept


@pytest.mark.parametrize(("after", "slept"), [(None, [1.0, 1.0]), (7.0, [7.0, 7.0]), (0.0, [1.0, 1.0])])
async def test_a_call_beyond_a_rate_is_sent_again(after: float | None, slept: list[float]) -> None:
    server = LimitedServer(2, after)
    asked, waited = calls(server)
    assert (await asked.read("pki/roles/web")).data == {"a": 1}
    assert await asked.write("pki/roles/web", {"ttl": "1h"}) == {"a": 1}
    assert (waited, server.sent) == (slept, 4)


async def test_a_rate_that_does_not_end_is_told_with_what_to_do() -> None:
    asked, waited = calls(LimitedServer(1000, 25.0))
    with pytest.raises(VaultNotUsable, match="Nothing was changed; raise the quota"):
        await asked.read("pki/roles/web")
    assert sum(waited) <= RATE_PATIENCE
