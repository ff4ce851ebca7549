"""Permissions that the controller needs in Kubernetes before it may promise to revoke.

Asked of the API server itself (SelfSubjectAccessReview). The right to read a Secret is asked request by
request, by name, as namespaces may grant it one by one.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from issuer.kube.access import may_i
from issuer.kube.client import KubeClient
from issuer.kube.errors import KubeError
from issuer.kube.single_flight import Epochs, SingleFlightCache
from issuer.requests.issuers import IssuerKey
from issuer.signing.secrets import kubernetes_retry

# An answer is believed this long; a change of RBAC that we see ends that at once.
_BELIEVED_SECONDS = 30.0
_REMEMBERED = 4096
_GRANT = (
    "set revocation.enabled in the chart's values or apply config/rbac/optional/revocation.yaml, or set "
    "spec.revocation.policy to Never"
)
_NEEDED = (("update", "certificaterequests"), ("get", "certificates"))

_Asked = tuple[str, str, str, str, str, int]


class RevocationRights:
    """The answers, remembered for seconds."""

    def __init__(self, client: KubeClient, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._answers: SingleFlightCache[_Asked] = SingleFlightCache(_BELIEVED_SECONDS, clock, _REMEMBERED)
        self._epochs = Epochs()

    def clear(self) -> None:
        """Forget the answers, as RBAC changed."""
        self._answers.clear()

    def clear_in(self, namespace: str) -> None:
        """Forget the answers about a namespace, as RBAC changed there."""
        if self._epochs.changed(namespace):
            self._answers.clear()

    async def issuer_problem(self, key: IssuerKey) -> str | None:
        """Return what is missing for this issuer's requests, and what to do; None when nothing is.

        Raises Retry when the API server can't say.
        """
        for verb, resource in _NEEDED:
            if not await self._may(verb, "cert-manager.io", resource, "", key.namespace):
                where = f" in namespace {key.namespace}" if key.namespace else ""
                return f"spec.revocation needs the verb {verb} on {resource}.cert-manager.io{where}: {_GRANT}"
        return None

    async def secret_problem(self, namespace: str, secret: str) -> str | None:
        """Return why this Secret can't be read to see if it holds a certificate; None when it can.

        Raises Retry when the API server can't say.
        """
        if await self._may("get", "", "secrets", secret, namespace):
            return None
        return (
            f"the issuer revokes what is not in use any more, and the controller may not read the Secret "
            f"{secret} to see that: bind the ClusterRole vault-issuer-revocation-secrets in this namespace"
        )

    async def _may(self, verb: str, group: str, resource: str, name: str, namespace: str) -> bool:
        asked = (verb, group, resource, name, namespace)
        try:
            return await self._answers.get((*asked, self._epochs.of(namespace)), lambda: self._ask(*asked))
        except KubeError as error:
            raise kubernetes_retry(error, f"ask for the right to {verb} {resource}") from error

    async def _ask(self, verb: str, group: str, resource: str, name: str, namespace: str) -> bool:
        return await may_i(
            self._client, verb=verb, group=group, resource=resource, name=name, namespace=namespace
        )
