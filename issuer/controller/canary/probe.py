"""One run: a request made, answered, verified, its endpoint looked at, and the request deleted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from issuer.controller.canary import diagnosis, endpoint, verifying
from issuer.controller.canary.diagnosis import Broken
from issuer.controller.canary.history import CanaryRun, Stage
from issuer.controller.canary.request import CONTROLLER, LABEL, new_request
from issuer.controller.canary.target import CanaryTarget
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, KubeError, NotFound, Unavailable
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.conditions import bounded, ready_of
from issuer.requests.resources import CERTIFICATE_REQUESTS
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.chains.chain import Chain
from issuer.x509.verification.requested import RequestedCertificate

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
# Seconds that each look at the request may take, even just before its time is over.
_LOOK: Final = 2.0
# Seconds for what is done beside the request: asking why it is late, and deleting it.
_ASIDE: Final = 5.0


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """A stage that was passed, or the one that broke; `seconds` None where it has no time of its own."""

    stage: Stage
    ok: bool
    seconds: float | None
    message: str


@dataclass(frozen=True, slots=True)
class ProbeObserver:
    """Callbacks of a run: for each step when it is over, and each new reason why the request waits."""

    step: Callable[[ProbeStep], None] = lambda _step: None
    waits: Callable[[str], None] = lambda _why: None


class Probe:
    """One run for one target; `maker` is the label's value on its request."""

    def __init__(
        self,
        client: KubeClient,
        target: CanaryTarget,
        maker: str,
        observer: ProbeObserver | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._target = target
        self._observer = observer or ProbeObserver()
        self._now = now
        self._object, self._asked = new_request(target, maker)
        self._seen_until: datetime | None = None

    @property
    def request(self) -> str:
        """Namespace and name of the request it makes."""
        return f"{self._target.namespace}/{self._name}"

    @property
    def _name(self) -> str:
        return str(self._object["metadata"]["name"])

    async def run(self) -> CanaryRun:
        """Go through all stages, up to the first that breaks; the request is deleted whatever happens."""
        started, began = self._now(), time.monotonic()
        stage: Stage | None = None
        try:
            async with self._made():
                chain = await self._certificate()
                await self._endpoint(chain)
                message = verifying.shown(chain)
        except Broken as error:
            stage, message = error.stage, bounded(error.message)
        return CanaryRun(started, time.monotonic() - began, stage, message, self._seen_until)

    # api ----------------------------------------------------------------------

    @asynccontextmanager
    async def _made(self) -> AsyncIterator[None]:
        """The request exists inside, and goes in the end."""
        await self._create()
        try:
            yield
        except Broken as error:
            problem = await self._delete()
            if problem is not None:
                raise Broken(error.stage, f"{error.message}. Besides, {problem}") from error
            raise
        except BaseException:
            await self._delete()
            raise
        problem = await self._delete()
        if problem is not None:
            raise self._broke(Stage.API, None, problem)

    async def _create(self) -> None:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._target.timeout):
                await self._client.create(CERTIFICATE_REQUESTS, self._object)
        except (Unavailable, TimeoutError) as error:
            await self._delete()  # it may have been made all the same
            raise self._broke(Stage.API, began, self._not_made(error)) from error
        except KubeError as error:
            raise self._broke(Stage.API, began, self._not_made(error)) from error
        except BaseException:
            await self._delete()
            raise
        self._passed(Stage.API, began, f'CertificateRequest "{self.request}" created')

    def _not_made(self, error: KubeError | TimeoutError) -> str:
        namespace = self._target.namespace
        match error:
            case TimeoutError():
                return (
                    f"the API server doesn't answer in {self._target.timeout:g} seconds: see whether it runs,"
                    " and whether cert-manager's webhook does, which it asks about each request"
                )
            case Forbidden():
                hint = (
                    "grant that user create, get and delete on certificaterequests.cert-manager.io in "
                    f'namespace "{namespace}" by a Role, as config/canary/prober does'
                )
            case NotFound():
                hint = f'create the namespace "{namespace}", or install the CRDs of cert-manager'
            case _:
                hint = "see whether it runs and can be reached, and whether cert-manager's webhook runs"
        return f"the API server refused the canary's request: {error}. To get it through, {hint}"

    async def _delete(self) -> str | None:
        """None when the request is gone or going; else why not."""
        try:
            async with asyncio.timeout(_ASIDE):
                await self._client.delete(CERTIFICATE_REQUESTS, self._name, self._target.namespace)
        except NotFound:
            return None
        except (KubeError, TimeoutError) as error:
            why = str(error) or f"no answer in {_ASIDE:g} seconds"
            return (
                f'the API server refused to delete "{self.request}": {why}. Grant delete on '
                f'certificaterequests.cert-manager.io in namespace "{self._target.namespace}"'
            )
        return None

    # controller, policy, issuer, chain ------------------------------------------

    async def _certificate(self) -> Chain:
        began = time.monotonic()
        try:
            request = await self._answered(began)
            refused = diagnosis.refusal(request)
        except Broken as error:
            raise self._broke(error.stage, began, error.message) from error
        self._passed(Stage.CONTROLLER, began, "the request is answered")
        if refused is not None:
            raise self._broke(refused.stage, None, refused.message)
        ready = ready_of(request.object)
        self._passed(Stage.POLICY, None, diagnosis.approval(request))
        self._passed(Stage.ISSUER, None, str(ready.get("message", "")))
        return self._verified(request, self._asked)

    async def _answered(self, began: float) -> CertificateRequest:
        """The request once it is finished. Raises Broken when it isn't in time, or is gone."""
        deadline, pause = began + self._target.timeout, _FIRST_PAUSE
        request, reason = CertificateRequest(self._object, self._target.issuer_kinds), ""
        silence: str | None = None
        while (left := deadline - time.monotonic()) > 0:
            try:
                request, silence = await self._read(max(left, _LOOK)), None
            except (NotFound, Forbidden) as error:
                raise Broken(Stage.API, self._not_seen(error)) from error
            except (KubeError, TimeoutError) as error:
                silence = str(error) or "no answer"
            if request.finished:
                return request
            if (why := diagnosis.pending(request)) != reason:
                reason = why
                self._observer.waits(why)
            await asyncio.sleep(min(pause, max(0.0, deadline - time.monotonic())))
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        if silence is not None:
            raise Broken(Stage.API, f"the API server doesn't answer: {silence}. See whether it runs")
        raise diagnosis.lateness(request, await self._issuer(), self._target.timeout)

    def _not_seen(self, error: KubeError) -> str:
        namespace = self._target.namespace
        if isinstance(error, NotFound):
            return (
                f'"{self.request}" was deleted before it was answered: see what deletes '
                f'CertificateRequests in namespace "{namespace}"'
            )
        return (
            f"the API server doesn't show the canary's request: {error}. Grant get on "
            f'certificaterequests.cert-manager.io in namespace "{namespace}"'
        )

    async def _read(self, seconds: float) -> CertificateRequest:
        async with asyncio.timeout(seconds):
            found = await self._client.get(CERTIFICATE_REQUESTS, self._name, self._target.namespace)
        return CertificateRequest(found, self._target.issuer_kinds)

    async def _issuer(self) -> dict[str, Any] | None:
        key = self._target.issuer
        resource = self._target.kind.resource
        try:
            async with asyncio.timeout(_ASIDE):
                return await self._client.get(resource, key.name, key.namespace or None)
        except (KubeError, TimeoutError):
            return None

    def _verified(self, request: CertificateRequest, asked: RequestedCertificate) -> Chain:
        began = time.monotonic()
        try:
            chain = verifying.verified(request, asked, self._target.roots_pem, self._now())
        except Broken as error:
            raise self._broke(error.stage, began, error.message) from error
        if self._target.endpoint is None:
            self._seen_until = chain.leaf.not_valid_after_utc
        self._passed(Stage.CHAIN, began, verifying.shown(chain))
        return chain

    # endpoint -------------------------------------------------------------------

    async def _endpoint(self, chain: Chain) -> None:
        """Dial the endpoint, if there is one, trusting the CA of the certificate just verified."""
        where, name, began = self._target.endpoint, self._target.dns_name, time.monotonic()
        if where is None:
            return
        roots = self._target.roots_pem
        try:
            served = await endpoint.look(
                where, name, read_bundle(roots).certificates if roots else (chain.top,)
            )
        except endpoint.NotServed as error:
            if error.served is not None:
                self._seen_until = error.served.not_valid_after_utc
            raise self._broke(error.stage, began, error.message) from error
        self._seen_until = served.not_valid_after_utc
        self._passed(Stage.ENDPOINT, began, endpoint.shown(where, served))

    # reporting ------------------------------------------------------------------

    def _passed(self, stage: Stage, began: float | None, message: str) -> None:
        seconds = None if began is None else time.monotonic() - began
        self._observer.step(ProbeStep(stage, True, seconds, message))

    def _broke(self, stage: Stage, began: float | None, message: str) -> Broken:
        seconds = None if began is None else time.monotonic() - began
        self._observer.step(ProbeStep(stage, False, seconds, bounded(message)))
        return Broken(stage, message)


async def sweep(client: KubeClient, target: CanaryTarget) -> int:
    """Delete what an earlier process's canary left behind of this target; how many there were.

    Raises KubeError. Nobody else makes requests with this label and issuer: one replica leads.
    """
    swept = 0
    labelled = client.list_all(
        CERTIFICATE_REQUESTS, namespace=target.namespace, label_selector=f"{LABEL}={CONTROLLER}"
    )
    async for obj in labelled:
        reference, meta = (obj.get("spec") or {}).get("issuerRef") or {}, obj["metadata"]
        named = tuple(reference.get(field) for field in ("group", "kind", "name"))
        if named != (target.kind.group, target.kind.api_kind, target.issuer.name):
            continue
        if meta.get("deletionTimestamp"):
            continue  # its finalizer keeps it, and whoever set that is at work
        await client.delete(CERTIFICATE_REQUESTS, meta["name"], target.namespace)
        swept += 1
    return swept
