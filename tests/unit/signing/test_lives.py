"""Bounds of certificates' lives, as a ready issuer's message tells them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from issuer.signing.lives import NO_BOUNDS, LifeBounds

HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (NO_BOUNDS, ""),
        (LifeBounds(longest=2 * HOUR, source="X"), "; durations are at most 2h0m0s, by X"),
        (
            LifeBounds(HOUR, 9 * HOUR, 8 * HOUR, "X", 24 * HOUR),
            "; durations are at least 1h0m0s, at most 9h0m0s, 8h0m0s where none is asked for, by X",
        ),
        (
            LifeBounds(source="the claims", likely=24 * HOUR),
            "; the claims set no bounds to durations: the CA's own hold, which a refusal tells",
        ),
    ],
)
def test_only_what_the_ca_tells_is_told(bounds: LifeBounds, text: str) -> None:
    assert bounds.told() == text
