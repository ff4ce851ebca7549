"""Looks at one issuer with `spec.trust`: which roots it has, and whether they are where they should be."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import structlog

from issuer.api.trust import TRUST_DISTRIBUTED
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.health.shared_signer import SharedSigner
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.controller.trust.claims import Claim
from issuer.controller.trust.cluster_bundles import ClusterBundles
from issuer.controller.trust.ledger import Ledger
from issuer.controller.trust.reasons import TrustReason
from issuer.controller.trust.reporter import Finding, TrustReporter
from issuer.controller.trust.roots import NoRoots, Roots, roots_of
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.requests.conditions import find
from issuer.requests.issuers import IssuerKey
from issuer.signing.outcomes import SigningError
from issuer.signing.signer import NamesItsCAs
from issuer.site import docs_page
from issuer.text import first_of

log = structlog.get_logger(__name__)

_SHOWN: Final = 3
_CHART: Final = "trustDistribution.configMaps in the chart's values"
DOCS: Final = docs_page("trust", "in-a-cluster")


@dataclass(slots=True, eq=False)
class TrustIssuers:
    """Handles one issuer at a time, by key.

    `refused` returns True for a ConfigMap that may not be watched, `spread` has one looked at in all
    namespaces. `period` is the time in seconds after which the CAs are read anew.
    """

    stores: Mapping[str, IssuerStore]
    registry: IssuerRegistry
    ledger: Ledger
    bundles: ClusterBundles
    reporter: TrustReporter
    queue: WorkQueue[IssuerKey]
    leads: Callable[[], bool]
    refused: Callable[[str], bool]
    spread: Callable[[str], None]
    period: float
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic
    _read: dict[IssuerKey, tuple[Claim, float]] = field(default_factory=dict)
    _found: dict[IssuerKey, TrustReason] = field(default_factory=dict)

    @property
    def distributed(self) -> dict[IssuerKey, bool]:
        """The issuers whose roots are known, and whether nothing of the issuer itself keeps them back."""
        return {
            key: not reason.keeps_all_back
            for key, reason in self._found.items()
            if reason is not TrustReason.ISSUER_NOT_READY
        }

    async def reconcile(self, key: IssuerKey) -> None:
        """Read the roots of one issuer, have them distributed, and write what is known of that."""
        obj, claim = self.stores[key.kind].get(key), self.ledger.claims.of(key)
        if obj is None or claim is None:
            self._forget(key)
        if not self.leads():
            return
        not_removed = await self._removed(key, claim)
        if obj is None or claim is None:
            await self._report_none(key, obj, not_removed)
            return
        try:
            finding = await self._finding(claim, obj)
        except SigningError as error:
            log.debug("CAs not read for trust", issuer=str(key), reason=error.reason, message=error.message)
            self.queue.retry(key)  # the issuer's own check says what is wrong; what is distributed stays
            return
        if finding is not None:
            self._found[key] = finding.reason
        if not_removed is not None:  # its roots go out all the same
            finding = joined([finding, not_removed])
        written = finding is None or await self._reported(claim, finding)
        if not written or not_removed is not None:
            self.queue.retry(key)
            return
        self.queue.forget(key)
        self.queue.add_after(key, self.period)

    async def _reported(self, claim: Claim, finding: Finding) -> bool:
        """Write the condition; False when it should be tried again, as after a change of the spec."""
        current = self.stores[claim.issuer.kind].get(claim.issuer)
        if current is None or self.ledger.claims.of(claim.issuer) != claim:
            return False
        return await self.reporter.report(claim.issuer, current, finding)

    async def _report_none(self, key: IssuerKey, obj: Object | None, not_removed: Finding | None) -> None:
        """Write what is known of an issuer that is gone, or whose spec claims nothing or can't be read."""
        problem = self.ledger.claims.problem(key)
        if obj is None or not_removed is not None:
            written = not_removed is None
        elif problem is None:
            written = await self.reporter.clear(key, obj)
        else:
            text = f"{problem}. What was distributed stays as it is"
            self._found[key] = TrustReason.INVALID_SPEC
            written = await self.reporter.report(key, obj, Finding(False, TrustReason.INVALID_SPEC, text))
        if not written:
            self.queue.retry(key)

    def _forget(self, key: IssuerKey) -> None:
        self.queue.forget(key)
        self.ledger.forget(key)
        self._read.pop(key, None)
        self._found.pop(key, None)

    async def _removed(self, key: IssuerKey, claim: Claim | None) -> Finding | None:
        """Remove the ClusterTrustBundle of an issuer that wants none; say why if it is still there."""
        if claim is not None and claim.cluster_trust_bundle:
            return None
        kept = self.ledger.claims.keeps(str(key))
        if kept and kept != math.inf:
            self.queue.add_after(key, kept)
        return None if kept else await self.bundles.remove(key)

    async def _finding(self, claim: Claim, obj: Object) -> Finding | None:
        """Return what the condition is to say; None where it is to stay as it is. Raises SigningError."""
        obstacle = self._obstacle(claim)
        if obstacle is not None and not claim.cluster_trust_bundle:
            return obstacle
        shared = self._signer(claim)
        if shared is None:
            self.queue.add_after(claim.issuer, min(self.period, 1.0))
            said = find((obj.get("status") or {}).get("conditions"), TRUST_DISTRIBUTED)
            text = "its CAs are known once it is Ready; what was distributed stays as it is"
            return None if said else Finding(False, TrustReason.ISSUER_NOT_READY, text)
        try:
            roots = await self._roots(claim, shared)
        except NoRoots as error:
            return Finding(False, error.reason, error.message)
        found = [obstacle or self._of_config_map(claim, roots)] if claim.config_map is not None else []
        if claim.cluster_trust_bundle:
            found.append(await self.bundles.finding(claim, roots))
            if found[-1] is None or self.bundles.is_contested(claim.issuer):
                self.queue.add_after(claim.issuer, min(self.period, 1.0))
        return joined(found)

    def _obstacle(self, claim: Claim) -> Finding | None:
        """Return why the ConfigMap that an issuer names is not to be written."""
        if claim.config_map is None:
            return None
        name = claim.config_map.name
        if name not in self.ledger.stores:
            text = f'ConfigMap "{name}" may not be written: name it in {_CHART} (--trust-config-map). {DOCS}'
            return Finding(False, TrustReason.CONFIG_MAP_NOT_ALLOWED, text)
        holder = self.ledger.claims.holder(name)
        if holder is not None and holder.issuer != claim.issuer:
            text = (
                f'ConfigMap "{name}" has the roots of {holder.issuer.quoted}, which is older: choose another '
                "name in spec.trust"
            )
            return Finding(False, TrustReason.CONFIG_MAP_TAKEN, text)
        if self.refused(name):
            text = f'ConfigMaps of the name "{name}" may not be watched: set {_CHART}. {DOCS}'
            return Finding(False, TrustReason.CONFIG_MAPS_FORBIDDEN, text)
        return None

    def _signer(self, claim: Claim) -> SharedSigner | None:
        """Return the signer of an issuer that is Ready as its spec is now."""
        entry = self.registry.find(claim.issuer)
        if entry is None or not entry.ready or not entry.describes(*claim.version):
            return None
        return entry.shared

    async def _roots(self, claim: Claim, shared: SharedSigner) -> Roots:
        """Return the roots, read anew unless that was done a moment ago. Raises NoRoots, SigningError."""
        before, at = self._read.get(claim.issuer, (None, 0.0))
        known = self.ledger.roots(claim)
        if known is not None and before == claim and self.clock() - at < self.period / 2:
            return known
        signer = shared.borrow().signer
        try:
            if not isinstance(signer, NamesItsCAs):
                raise NoRoots(TrustReason.CAS_NOT_LISTED, "this kind of issuer can't name all of its CAs")
            cas = await signer.own_cas()
        finally:
            await shared.give_back()
        if cas.problem:
            raise NoRoots(TrustReason.CAS_NOT_LISTED, f"{cas.problem}. What was distributed stays as it is")
        roots = roots_of(cas.pem, shared.anchors, self.now())
        self._read[claim.issuer] = claim, self.clock()
        if self.ledger.keep_roots(claim, roots):
            log.info("roots", issuer=str(claim.issuer), roots=roots.count, sha256=roots.sha256)
            for name in claim.names:
                self.spread(name)
        return roots

    def _of_config_map(self, claim: Claim, roots: Roots) -> Finding | None:
        """Return what came of the ConfigMaps; None until all namespaces were looked at."""
        (name,) = claim.names
        if not self.ledger.is_settled(name):
            return None
        trouble = self.ledger.trouble(name)
        if trouble:
            where = [f"{namespace} ({trouble[namespace].message})" for namespace in sorted(trouble)]
            text = f'ConfigMap "{name}" is not as it should be in {first_of(where, _SHOWN)}'
            return Finding(False, TrustReason.NAMESPACES_LEFT_OUT, text)
        text = f'{roots.told} in ConfigMap "{name}" of each namespace that spec.trust selects'
        return Finding(True, TrustReason.DISTRIBUTED, text)


def joined(findings: Sequence[Finding | None]) -> Finding | None:
    """Return what a condition says of several findings; None while one is to come.

    What is wrong comes first, and of that what namespaces can't bring about: it must not hide behind them.
    """
    found = [one for one in findings if one is not None]
    wrong = sorted(
        (one for one in found if not one.distributed), key=lambda one: not one.reason.keeps_all_back
    )
    if not wrong and len(found) < len(findings):
        return None
    told = wrong or found
    return Finding(not wrong, told[0].reason, "; ".join(one.message for one in told))
