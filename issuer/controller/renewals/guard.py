"""The check before a signing whether the request is one renewal too many, and what its owner says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from issuer.controller.renewals.issued import owner_of
from issuer.controller.renewals.loops import Owner, RenewalLoops
from issuer.controller.renewals.owners import CertificateOwners
from issuer.controller.state.outcomes import RetryLater, retry_later
from issuer.controller.state.watched.certificates import Certificate
from issuer.duration import format_seconds
from issuer.kube.errors import KubeError
from issuer.requests.reasons import RequestRetry
from issuer.requests.request import Request, RequestKey
from issuer.signing.secrets import kubernetes_retry
from issuer.text import rfc3339
from issuer.x509.verification.requested import RequestedCertificate


@dataclass(slots=True, eq=False)
class RenewalGuard:
    """Holds back requests of a Certificate in a loop, and brings what its owner says of renewals."""

    loops: RenewalLoops
    owners: CertificateOwners
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def examine(
        self, request: Request, asked: RequestedCertificate
    ) -> RequestedCertificate | RetryLater:
        """Return `asked` with the renewal of the request's Certificate, or until when the request waits."""
        owner = owner_of(request)
        if owner is None:
            return asked
        try:
            certificate = await self.owners.find(owner)
        except KubeError as error:
            return retry_later(kubernetes_retry(error, f"read Certificate {owner.namespace}/{owner.name}"))
        wait = self._wait(request, owner, certificate)
        if wait is not None:
            self.loops.hold(request.key, owner)
            return wait
        self.loops.release(request.key)
        return asked if certificate is None else replace(asked, renewal=certificate.renewal)

    def forget(self, key: RequestKey) -> None:
        """Forget a request that is gone, or another replica's now."""
        self.loops.release(key)

    def _wait(self, request: Request, owner: Owner, certificate: Certificate | None) -> RetryLater | None:
        generation = ends = None
        if certificate is not None:
            generation = certificate.generation
            if certificate.not_after is not None:
                ends = datetime.fromtimestamp(certificate.not_after, UTC)
        due, now = self.loops.next_at(owner, request.created, generation, ends), self.now()
        if due is None or due <= now:
            return None
        limits = self.loops.limits
        message = (
            f"Certificate {owner.name} got {limits.certificates} certificates within "
            f"{format_seconds(limits.window)}, and its next one is signed after {rfc3339(due)}. See why "
            f"cert-manager renews it (kubectl describe certificate {owner.name} -n {owner.namespace}); "
            "a change of its spec ends the wait"
        )
        # A change of a Certificate that isn't watched is seen then.
        after = min(due - now, limits.window).total_seconds()
        return RetryLater(RequestRetry.RENEWAL_LOOP, message, after)
