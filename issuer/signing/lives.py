"""Bounds that a CA sets to the lives of certificates, where it tells them before it signs. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Literal

from issuer.duration import format_seconds
from issuer.signing.outcomes import Failed, LifeNotAllowed
from issuer.signing.reasons import SigningFailure
from issuer.x509.verification.lifetimes import DEFAULT_LIFE

TooLong = Literal["Refuse", "Shorten"]
"""Choice of what becomes of a request for a longer life than the CA gives."""


@dataclass(frozen=True, slots=True)
class LifeBounds:
    """Bounds of one issuer's certificates; None where they aren't known.

    Attributes:
        shortest: the shortest life that is signed.
        longest: the longest one.
        usual: the life of a certificate for which none is asked.
        source: where they are set, to complete "... at most 24h, by SOURCE".
        likely: the usual life as the CA's makers set it, where the CA tells none, but gives its own to who
            asks for none. None for a CA that is always asked for a life.
    """

    shortest: timedelta | None = None
    longest: timedelta | None = None
    usual: timedelta | None = None
    source: str = "the CA"
    likely: timedelta | None = None

    def fitting(self, asked: timedelta | None, too_long: TooLong) -> timedelta | None:
        """Return the life to ask for: as asked, the usual one where none is, or the longest where `too_long`
        says so. None leaves it open: a bound is nobody's wish.

        Raises LifeNotAllowed, or Failed for a life that is too short.
        """
        if asked is None:
            return self.usual
        if self.longest is not None and asked > self.longest:
            return LifeNotAllowed(self._refused(asked), self.longest).shortened(asked, too_long)
        if self.shortest is not None and asked < self.shortest:
            raise Failed(
                SigningFailure.DURATION_NOT_ALLOWED,
                f"a duration of {format_seconds(asked)} is asked for, and certificates are signed for at "
                f"least {format_seconds(self.shortest)}, by {self.source}: ask for that",
            )
        return asked

    @property
    def unasked(self) -> timedelta:
        """The life of a certificate for which none is asked, as far as that is known."""
        return min(self.usual or self.likely or DEFAULT_LIFE, self.most)

    @property
    def most(self) -> timedelta:
        """The most that a certificate may live for which no life is asked, as far as that is known."""
        return DEFAULT_LIFE if self.longest is None else min(DEFAULT_LIFE, self.longest)

    def told(self) -> str:
        """Return what is signed, to go on after an issuer's "... is ready to sign". Empty for NO_BOUNDS."""
        bounds = [
            f"{how} {format_seconds(life)}"
            for how, life in (("at least", self.shortest), ("at most", self.longest))
            if life is not None
        ]
        if self.usual is not None:
            bounds.append(f"{format_seconds(self.usual)} where none is asked for")
        if bounds:
            return f"; durations are {', '.join(bounds)}, by {self.source}"
        if self.likely is None:
            return ""
        return f"; {self.source} set no bounds to durations: the CA's own hold, which a refusal tells"

    def learnt(self, longest: timedelta) -> LifeBounds:
        """Return these bounds with a longest life that a refusal told."""
        return replace(self, longest=longest)

    def _refused(self, asked: timedelta) -> str:
        return (
            f"a duration of {format_seconds(asked)} is asked for, and certificates are signed for at most "
            f"{format_seconds(self.longest or timedelta())}, by {self.source}"
        )


NO_BOUNDS: Final = LifeBounds()
