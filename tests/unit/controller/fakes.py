"""Scripted stand-ins for the two edges of the controller. Both refuse any call they were not told of."""

from __future__ import annotations

import asyncio
import copy
from collections import deque
from collections.abc import Callable

from issuer.kube.errors import KubeError
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.signing.signer import Health, SignedCertificate, SigningRequest

Answer = Object | KubeError | Callable[[Object], Object | KubeError]


class ScriptedKube:
    """Answers calls from a script, in order, and remembers what was written."""

    def __init__(self) -> None:
        self.script: deque[tuple[str, Answer]] = deque()
        self.written: list[Object] = []
        self.replaced: list[Object] = []

    def expect(self, verb: str, answer: Answer) -> None:
        """The next call must be `verb`; `answer` is returned, raised, or made from what was sent."""
        self.script.append((verb, answer))

    def accepts_status(self) -> None:
        """The next call must be a status write, and it succeeds."""
        self.expect("replace_status", lambda sent: sent)

    def _next(self, verb: str, sent: Object) -> Object:
        assert self.script, f"unexpected {verb} of {sent}"
        wanted, answer = self.script.popleft()
        assert verb == wanted, f"expected {wanted}, got {verb} of {sent}"
        if callable(answer):
            answer = answer(copy.deepcopy(sent))
        if isinstance(answer, KubeError):
            raise answer
        return answer

    async def get(self, _resource: Resource, name: str, namespace: str | None = None) -> Object:
        return self._next("get", {"name": name, "namespace": namespace})

    async def create(self, _resource: Resource, body: Object, _namespace: str | None = None) -> Object:
        return self._next("create", body)

    async def replace(self, _resource: Resource, body: Object) -> Object:
        answer = self._next("replace", body)
        self.replaced.append(body)
        return answer

    async def replace_status(self, _resource: Resource, body: Object) -> Object:
        answer = self._next("replace_status", body)
        self.written.append(body)
        return answer

    async def delete(
        self, _resource: Resource, name: str, _namespace: str | None = None, **conditions: str
    ) -> None:
        self._next("delete", {"name": name, **conditions})


class ScriptedSigner:
    """Signs, checks and revokes as told; an exception in a script is raised."""

    def __init__(self) -> None:
        self.signs: deque[SignedCertificate | Exception | Callable[[SigningRequest], SignedCertificate]] = (
            deque()
        )
        self.checks: deque[Health | Exception] = deque()
        self.revokes: deque[Exception | None] = deque()
        self.revoked: list[str] = []
        self.signed = 0
        self.asked: list[SigningRequest] = []
        self.closed = False
        self.log_in: Callable[[], None] = lambda: None
        """What happens while it logs in and connects."""

    async def check(self) -> Health:
        answer = self.checks.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        assert self.signs, "unexpected sign"
        self.asked.append(request)
        self.log_in()
        await asyncio.sleep(0)
        answer = self.signs[0]
        if isinstance(answer, Exception):
            self.signs.popleft()
            raise answer  # before anything was sent
        request.before_sending()
        self.signs.popleft()
        self.signed += 1
        return answer(request) if callable(answer) else answer

    async def revoke(self, certificate_pem: str, *, is_ca: bool | None = None) -> None:
        assert self.revokes, "unexpected revoke"
        answer = self.revokes.popleft()
        if answer is not None:
            raise answer
        self.revoked.append(certificate_pem)

    async def close(self) -> None:
        self.closed = True


class SilentRecorder:
    """Collects events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    def warning(self, _obj: Object, reason: str, message: str) -> None:
        self.events.append(("Warning", reason, message))

    def hint(self, obj: Object, reason: str, message: str) -> None:
        self.events.append((obj["kind"], reason, message))

    def normal(self, _obj: Object, reason: str, message: str) -> None:
        self.events.append(("Normal", reason, message))
