"""The final answers of this process, for whoever listens."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Protocol

from issuer.requests.request import Request

Answer = Literal["issued", "denied", "failed"]


class AnswerLog(Protocol):
    """Hears of each final answer once it is written. Calls are synchronous, and must be quick."""

    def add(self, request: Request, answer: Answer, message: str, now: datetime) -> None:
        """Note an answer; `message` says why, and is empty where there is nothing to say."""
        ...


class NoAnswerLog:
    """An `AnswerLog` that forgets."""

    def add(self, request: Request, answer: Answer, message: str, now: datetime) -> None:
        """Forget the answer."""
