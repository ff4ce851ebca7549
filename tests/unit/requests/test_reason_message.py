"""The one place that writes and reads a reason at the start of a message."""

from __future__ import annotations

from issuer.policy.decision import Decision, PolicyVerdict
from issuer.reasons import Reason
from issuer.requests.issuers import IssuerKey
from issuer.requests.reason_message import Opening, issuer_not_ready, opening_of, reason_of, with_reason
from issuer.signing.outcomes import CAEndsTooSoon


class Made(Reason):
    SEALED = "BackendSealed"


def test_a_requests_own_reason_is_read_back() -> None:
    assert reason_of(with_reason(Made.SEALED, "is not Ready (Other): unseal it")) == Made.SEALED
    assert reason_of(str(CAEndsTooSoon("rotate it"))) == "CAExpiresTooSoon"


def test_the_reason_of_a_requests_issuer_is_read_back() -> None:
    for key in (IssuerKey("VaultIssuer", "team-a", "web"), IssuerKey("VaultClusterIssuer", "", "demo")):
        assert reason_of(issuer_not_ready(key.quoted, Made.SEALED, "Other: unseal it")) == Made.SEALED


def test_a_sentence_without_a_reason_has_none() -> None:
    for message in ("", "Vault is sealed: unseal it", "it says X: later", "it is not Ready (Odd): no"):
        assert reason_of(message) is None


def test_an_opening_stands_for_the_reason_that_its_message_lacks() -> None:
    assert opening_of(f"{Opening.NOT_AS_ASKED} (another key)") is Opening.NOT_AS_ASKED
    decision = Decision(PolicyVerdict.UNPROCESSED, None, ())
    assert opening_of(decision.summary()) is Opening.NO_POLICY_EXISTS
    assert opening_of("VaultSealed: unseal it") is None
