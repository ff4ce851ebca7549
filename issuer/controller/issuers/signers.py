"""Signers of issuers: opened from the issuer's Secrets, and used only while those are unchanged.

A kept login outlives the Secret that it was made with. So before an issuer's signer is used, its Secrets are
read once more if the last reading is some seconds old: once for all requests that wait for it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog

from issuer.api.issuers import IssuerSpec
from issuer.controller.state.health.issuer_entry import IssuerEntry
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import Identity, SharedSigner
from issuer.controller.state.reasons import ControllerRetry
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, KubeError, NotFound
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.resources import SECRETS
from issuer.kube.single_flight import SingleFlightCache
from issuer.requests.issuers import IssuerKey
from issuer.requests.reason_message import issuer_not_ready
from issuer.signing.backend import Connector
from issuer.signing.outcomes import Retry
from issuer.signing.secrets import kubernetes_retry

log = structlog.get_logger(__name__)

BELIEVED_SECONDS: Final = 5.0
"""Age of a reading of an issuer's Secrets after which they are read again before the next use. It bounds the
price, one GET a Secret, and how long a login is used whose Secret was deleted."""


class CheckOutdated(Exception):
    """The issuer, or a Secret of it, changed during a check: what the check found is of no use."""


class IssuerSigners:
    """Opens the signer of each issuer, and drops it once a Secret that it was made from is changed or gone.

    `connectors` open the signers of each kind of issuer, `home` returns the namespace of the Secrets of an
    issuer of a namespace (empty for cluster issuers), and `queue` has the issuers to be checked.
    """

    def __init__(
        self,
        client: KubeClient,
        stores: Mapping[str, IssuerStore],
        registry: IssuerRegistry,
        queue: WorkQueue[IssuerKey],
        connectors: Mapping[str, Connector],
        home: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connectors = connectors
        self._client = client
        self._stores = stores
        self._registry = registry
        self._queue = queue
        self._home = home
        self._clock = clock
        self._unchanged: SingleFlightCache[tuple[IssuerKey, Identity]] = SingleFlightCache(
            BELIEVED_SECONDS, clock
        )

    async def open(self, key: IssuerKey, uid: str, generation: int, spec: IssuerSpec) -> SharedSigner:
        """Return the signer of exactly this issuer, spec and Secrets; a new one if any of them changed.

        Raises CheckOutdated, IssuerBroken, or Retry where the API server can't answer now.
        """
        began = self._clock()
        prepared = await self.connectors[key.kind].prepare(key, spec)
        if self._stores[key.kind].version(key) != (uid, generation):
            # What was just read may belong to the new spec: never send it where the old one points.
            raise CheckOutdated
        identity = Identity(uid, generation, prepared.versions)
        shared = self._registry.entry(key).shared
        if shared is None or shared.identity != identity:
            if prepared.memory is not None:
                self._registry.use_tls(key, prepared.memory)
            shared = SharedSigner(prepared.build(), identity, prepared.anchors)
            await self._registry.use_signer(key, shared)
        if identity.secrets:
            self._unchanged.learn((key, identity), True, self._clock() - began)
        return shared

    async def unchanged(self, entry: IssuerEntry) -> bool:
        """Return True if the Secrets of a Ready issuer are those that its signer was made from.

        Else the signer is dropped, and the issuer is checked. Raises Retry where the API server can't say.
        """
        shared = entry.shared
        if shared is None:
            return False
        if not shared.identity.secrets:
            return True
        question = entry.key, shared.identity
        unchanged = await self._unchanged.get(question, partial(self._compare, entry.key, shared))
        if not unchanged:
            self._unchanged.forget(question)
        return unchanged

    async def usable(self, key: IssuerKey) -> SharedSigner:
        """Return the signer of an issuer that is Ready, checked as it stands now, its Secrets unchanged.

        Raises Retry.
        """
        version, entry = self._stores[key.kind].version(key), self._registry.find(key)
        if version is None or entry is None:
            raise Retry(ControllerRetry.ISSUER_NOT_READY, f"{key} is not known yet")
        shared, sound = entry.shared, entry.ready and entry.version == version
        if sound and await self.unchanged(entry) and shared is not None and entry.shared is shared:
            return shared
        raise Retry(
            ControllerRetry.ISSUER_NOT_READY, issuer_not_ready(key.quoted, entry.reason, entry.message)
        )

    async def _compare(self, key: IssuerKey, shared: SharedSigner) -> bool:
        namespace = self._home(key.namespace)
        try:
            found = await asyncio.gather(
                *(self._version(name, namespace) for name, _ in shared.identity.secrets)
            )
        except KubeError as error:
            raise kubernetes_retry(error, f"read the Secrets of {key.quoted}") from error
        changed = [
            name for (name, before), now in zip(shared.identity.secrets, found, strict=True) if now != before
        ]
        if not changed:
            return True
        log.info("secret changed", issuer=str(key), namespace=namespace, secrets=changed)
        await self._registry.drop_signer(key, shared, _changed_text(namespace, changed))
        self._queue.forget(key)  # its check says what is wrong now, whatever its backoff was
        self._queue.add(key)
        return False

    async def _version(self, name: str, namespace: str) -> str | None:
        """Return the resourceVersion of a Secret; None where there is none, or it may not be read."""
        try:
            secret = await self._client.get(SECRETS, name, namespace)
        except (NotFound, Forbidden):
            return None
        return str(secret["metadata"]["resourceVersion"])


def _changed_text(namespace: str, names: list[str]) -> str:
    which = ", ".join(f"{namespace}/{name}" for name in names)
    return f"a Secret that it refers to has changed, and it is being checked: {which}"
