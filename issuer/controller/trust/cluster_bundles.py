"""The ClusterTrustBundle of each issuer that wants one, named by the issuer's signer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from issuer.controller.trust.claims import Claim
from issuer.controller.trust.objects import BUNDLE_GROUP, CLUSTER_TRUST_BUNDLES, SeenObject, SeenStore
from issuer.controller.trust.reasons import TrustReason
from issuer.controller.trust.repeats import RepeatedWrites
from issuer.controller.trust.reporter import Finding
from issuer.controller.trust.roots import Roots
from issuer.controller.trust.steps import made_for, replacing, says
from issuer.kube.client import KubeClient
from issuer.kube.errors import AlreadyExists, Conflict, Forbidden, KubeError, NotFound
from issuer.kube.resources import Resource
from issuer.kube.watching.reflector import Reflector
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey, IssuerKinds

log = structlog.get_logger(__name__)

_LOOK: Final = 30.0
"""Seconds between two questions whether the API server has ClusterTrustBundles, while it has none."""
_SUFFIX: Final = "roots"


class ClusterBundles:
    """ClusterTrustBundles of this process; none where `wanted` is False.

    `on_change` hears of the issuer whose object changed, or was found.
    """

    def __init__(
        self,
        client: KubeClient,
        kinds: IssuerKinds,
        *,
        wanted: bool,
        on_change: Callable[[IssuerKey], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._sleep = sleep
        self._client = client
        self._kinds = kinds
        self._wanted = wanted
        self._on_change = on_change
        self._issuers: dict[str, IssuerKey] = {}
        self._store = SeenStore("name", self._changed, self._listed)
        self._written: RepeatedWrites[str] = RepeatedWrites()
        self._resource: Resource | None = None
        self._reflector: Reflector | None = None

    async def run(self) -> None:
        """Watch them while the API server has them, in the version that it has, until cancelled."""
        while self._wanted:
            self._resource = await self._served()
            if self._resource is not None:
                await self._watch(self._resource)
                self._resource = None
            await self._sleep(_LOOK)

    async def _watch(self, resource: Resource) -> None:
        """Watch until the API server has them no more: it was upgraded, or its feature gate switched off."""
        self._reflector = Reflector(self._client, resource, self._store, optional=True, streamed=True)
        watching = asyncio.create_task(self._reflector.run(), name="watch-ClusterTrustBundle")
        try:
            while not self._reflector.refused or await self._serves(resource) is not False:
                await self._sleep(_LOOK)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def finding(self, claim: Claim, roots: Roots) -> Finding | None:
        """Write an issuer's ClusterTrustBundle if it isn't as it should be, and return what came of that.

        None: it is to be looked at again in a moment.
        """
        name, signer = self._names(claim.issuer)
        self._issuers[name] = claim.issuer
        obstacle = self._obstacle()
        if obstacle is not None:
            return obstacle
        if self._resource is None or not self._store.listed:
            return None
        found, body = self._store.get(name), _body(self._resource, name, signer, claim, roots)
        if found is not None and not found.ours:
            text = f'ClusterTrustBundle "{name}" is there, and this controller did not make it: delete it'
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, text)
        if found is None or not says(found, body):
            return await self._mended(self._resource, found, body, roots)
        return self._contested(name) or _distributed(name, roots)

    async def _mended(
        self, resource: Resource, found: SeenObject | None, body: Object, roots: Roots
    ) -> Finding | None:
        """Write an object at a pace, and return what came of that; None: look again in a moment."""
        name = body["metadata"]["name"]
        if self._written.rest(name, roots.sha256) > 0:
            return self._contested(name)
        try:
            await self._write(resource, found, body)
        except (AlreadyExists, Conflict, NotFound):
            return None
        except Forbidden as error:
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLES_FORBIDDEN, error.message)
        except KubeError as error:
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, error.message)
        self._written.note(name, roots.sha256)
        return self._contested(name) or _distributed(name, roots)

    def is_contested(self, issuer: IssuerKey) -> bool:
        """Return True if somebody changes the issuer's object again and again: look at it in a moment."""
        return self._written.unrest(self._names(issuer)[0]) > 0

    def _contested(self, name: str) -> Finding | None:
        """Return what is told of an object that is changed again and again; None the first times."""
        if not self._written.unrest(name):
            return None
        text = (
            f'somebody changes ClusterTrustBundle "{name}" again and again, and it is written again every '
            "10 seconds at most: kubectl get clustertrustbundle -o yaml --show-managed-fields says who"
        )
        return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, text)

    async def remove(self, key: IssuerKey) -> Finding | None:
        """Delete what was made for an issuer that wants none; say why if that should be tried again."""
        name, _signer = self._names(key)
        found = self._store.get(name)
        if self._resource is None or found is None or not found.ours or found.owner != str(key):
            return None
        try:
            await self._client.delete(self._resource, name, uid=found.uid, version=found.version)
        except NotFound:
            pass
        except KubeError as error:
            log.warning("ClusterTrustBundle not removed", name=name, error=error.message)
            text = (
                f'ClusterTrustBundle "{name}" is not wanted any more and can\'t be deleted: {error.message}'
            )
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLE_REFUSED, text)
        self._issuers.pop(name, None)
        return None

    async def _write(self, resource: Resource, found: SeenObject | None, body: Object) -> None:
        if found is None:
            written = await self._client.create(resource, body)
        else:
            written = await self._client.replace(resource, replacing(found, body))
        self._store.upsert(written)

    def _obstacle(self) -> Finding | None:
        if not self._wanted:
            text = (
                "ClusterTrustBundles are off: set trustDistribution.clusterTrustBundles in the chart's "
                "values (--cluster-trust-bundles)"
            )
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLES_OFF, text)
        if self._resource is None:
            text = (
                "the API server has no ClusterTrustBundles: where they are v1beta1, they take its feature "
                "gate ClusterTrustBundle and "
                f"--runtime-config={BUNDLE_GROUP}/v1beta1/clustertrustbundles=true"
            )
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLES_NOT_SERVED, text)
        if self._reflector is not None and self._reflector.refused:
            text = (
                "ClusterTrustBundles may not be watched: Kubernetes' ClusterRole "
                "system:cluster-trust-bundle-discovery lets every ServiceAccount, where it is bound"
            )
            return Finding(False, TrustReason.CLUSTER_TRUST_BUNDLES_FORBIDDEN, text)
        return None

    async def _served(self) -> Resource | None:
        """Return the resource that the API server has, None where it has none, or can't say."""
        for resource in CLUSTER_TRUST_BUNDLES:
            if await self._serves(resource):
                return resource
        return None

    async def _serves(self, resource: Resource) -> bool | None:
        """Return whether the API server has that resource, None where it can't say."""
        try:
            found = await self._client.get_path(f"/apis/{BUNDLE_GROUP}/{resource.version}")
        except NotFound:
            return False
        except KubeError:
            return None
        return any(one.get("name") == resource.plural for one in found.get("resources") or ())

    def _names(self, key: IssuerKey) -> tuple[str, str]:
        """Return the name of an issuer's object, which has to begin with its signer's, and that signer."""
        _all, signer = self._kinds.signer_names(key)
        return f"{signer.replace('/', ':')}:{_SUFFIX}", signer

    def _changed(self, name: str) -> None:
        found = self._store.get(name)
        kind, _, issuer = ("" if found is None or not found.ours else found.owner).partition(" ")
        key = IssuerKey(kind, "", issuer) if kind and kind in self._known_kinds() else self._issuers.get(name)
        if key is not None:
            self._on_change(key)

    def _listed(self) -> None:
        for name in {*self._store.known(), *self._issuers}:
            self._changed(name)

    def _known_kinds(self) -> frozenset[str]:
        return frozenset(one.kind for one in self._kinds)


def _distributed(name: str, roots: Roots) -> Finding:
    return Finding(True, TrustReason.DISTRIBUTED, f'{roots.told} in ClusterTrustBundle "{name}"')


def _body(resource: Resource, name: str, signer: str, claim: Claim, roots: Roots) -> Object:
    return {
        "apiVersion": resource.api_version,
        "kind": "ClusterTrustBundle",
        "metadata": {"name": name, **made_for(claim)},
        "spec": {"signerName": signer, "trustBundle": roots.pem},
    }
