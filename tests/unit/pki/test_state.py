"""States of a server that stop a command before anything is read or sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from issuer.pki.errors import VaultNotUsable
from issuer.pki.server.state import check_state
from issuer.vault.errors import Sealed, Unreachable, VaultError, VaultNotFound
from issuer.vault.transport import VaultClient

READY = {"initialized": True, "sealed": False, "version": "2.7.2"}


class FakeServer:
    """Answers `sys/seal-status` and `sys/leader`; an error is raised."""

    def __init__(self, status: Mapping[str, Any] | VaultError, leader: Mapping[str, Any]) -> None:
        self.answers = {"/v1/sys/seal-status": status, "/v1/sys/leader": leader}

    def adapter(self) -> FakeServer:
        return self

    async def get(self, path: str) -> Mapping[str, Any]:
        answer = self.answers[path]
        if isinstance(answer, VaultError):
            raise answer
        return answer


async def state(status: Mapping[str, Any] | VaultError, leader: Mapping[str, Any] | None = None) -> str:
    server = FakeServer(status, leader or {"ha_enabled": True, "is_self": True})
    return (await check_state(cast("VaultClient", server))).version


@pytest.mark.parametrize(
    ("status", "leader", "said"),
    [
        ({"initialized": False, "sealed": True}, None, "is not initialised; initialise it first"),
        ({"initialized": True, "sealed": True}, None, "is sealed; unseal it"),
        (
            READY,
            {"ha_enabled": True, "is_self": False, "leader_address": ""},
            "has no active node; unseal more",
        ),
        (VaultNotFound("GET sys/seal-status", status=404), None, "but not as Vault does; check VAULT_ADDR"),
        (Sealed("Vault is sealed", status=503), None, "is sealed; unseal it"),
        (
            Unreachable("Vault refused the connection", sent=False),
            None,
            "Nothing was changed; run the same again once Vault answers",
        ),
    ],
    ids=["not initialised", "sealed", "no active node", "not Vault", "sealed meanwhile", "down"],
)
async def test_a_server_that_cannot_be_used_is_told(
    status: Mapping[str, Any] | VaultError, leader: Mapping[str, Any] | None, said: str
) -> None:
    with pytest.raises(VaultNotUsable, match=said):
        await state(status, leader)


async def test_a_standby_of_an_active_node_serves() -> None:
    leader = {"ha_enabled": True, "is_self": False, "leader_address": "https://vault-0.example.test:8200"}
    assert await state(READY, leader) == "2.7.2"
