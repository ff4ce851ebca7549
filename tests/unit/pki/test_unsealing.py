"""Servers that can't be unsealed are told for what they are."""

from __future__ import annotations

from issuer.pki.secret import SecretText
from issuer.pki.unsealing import UnsealOutcome, unseal_all


async def test_a_server_that_is_down_was_sent_nothing() -> None:
    addresses = ["https://127.0.0.1:1"]  # nobody listens there
    (result,) = [one async for one in unseal_all(addresses, [SecretText("aa")], {}, reset=True)]
    assert result.outcome is UnsealOutcome.FAILED
    assert "Nothing was changed; run the same again once Vault answers" in result.message
