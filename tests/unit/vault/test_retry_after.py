"""A server that is away for a time says for how long: `Retry-After` of 429 and of 5xx."""

from __future__ import annotations

import pytest

from issuer.transport.failures import Answer
from issuer.vault.translate import error_from_answer


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("body", [b'{"errors":["internal error"]}', b"<html>"])
def test_wait_that_the_server_asks_for_is_kept(status: int, body: bytes) -> None:
    error = error_from_answer("POST pki/sign/web", Answer(status, {"Retry-After": "90"}, body))
    assert error.retry_after == 90.0
    assert error_from_answer("POST pki/sign/web", Answer(status, {}, body)).retry_after is None
