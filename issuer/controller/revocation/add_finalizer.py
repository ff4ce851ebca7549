"""The write before signing, in the modes that revoke: finalizer and Secret's name."""

from __future__ import annotations

from dataclasses import dataclass, field

from issuer.api.issuers import IssuerSpec
from issuer.bounded import LruCache
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.revocation.reader import secret_name
from issuer.controller.state.reasons import ControllerRetry
from issuer.kube.client import KubeClient
from issuer.kube.errors import Conflict
from issuer.requests.finalizer import (
    CERTIFICATE_ANNOTATION,
    annotation,
    has_finalizer,
    with_finalizer,
)
from issuer.requests.request import Request
from issuer.requests.resources import CERTIFICATE_REQUESTS
from issuer.signing.outcomes import Retry

# Requests marked and not signed yet are few; one forgotten is only marked again.
_MOST_MARKED = 10_000


@dataclass(slots=True, eq=False)
class RevocationFinalizer:
    """Marks requests whose certificates may have to be revoked, before there is one."""

    client: KubeClient
    rights: RevocationRights
    _marked: LruCache[str, None] = field(default_factory=lambda: LruCache(_MOST_MARKED))

    def is_missing(self, request: Request, spec: IssuerSpec | None) -> bool:
        """Return True if the request must be marked before it is signed.

        A mark that this process didn't make may be anybody's: it is made again, from what it is made of.
        """
        revokes = spec is not None and spec.revocation.policy != "Never"
        marked = has_finalizer(request.object) and request.uid in self._marked
        return revokes and not marked

    async def add(self, request: Request) -> Request:
        """Mark the request; as the API server has it then.

        Raises KubeError (Conflict: it changed meanwhile) or Retry (RevocationForbidden: the Secret could not
        be looked at later).
        """
        # The whole object is replaced: what is known of it here is a part.
        current = await self._current(request)
        certificate = annotation(current.object, CERTIFICATE_ANNOTATION)
        secret = await secret_name(self.client, request.key.namespace, certificate)
        if secret:
            problem = await self.rights.secret_problem(request.key.namespace, secret)
            if problem is not None:
                raise Retry(ControllerRetry.REVOCATION_FORBIDDEN, problem)
        marked, wanted = current, with_finalizer(current, secret)
        if wanted["metadata"] != current.object["metadata"]:
            marked = request.with_object(await self.client.replace(CERTIFICATE_REQUESTS, wanted))
        self._marked.put(request.uid, None)
        return marked

    async def _current(self, request: Request) -> Request:
        """The very request, as it was evaluated. Raises Conflict where it is another by now."""
        found = request.with_object(
            await self.client.get(CERTIFICATE_REQUESTS, request.key.name, request.key.namespace)
        )
        evaluated = request.object["metadata"].get("resourceVersion")
        if found.uid != request.uid or found.object["metadata"].get("resourceVersion") != evaluated:
            raise Conflict(f"{request.key} changed since it was evaluated", status=409)
        return found
