"""The CAs of an issuer of the cluster, as its own check finds them."""

from __future__ import annotations

from datetime import UTC, datetime

from issuer.cli.options import ClusterChoice
from issuer.inspection.objects.issuers import TrialOptions, trial_of
from issuer.inspection.opening import LookedAt, reading
from issuer.kube.errors import NotFound
from issuer.manifests.backends import kinds_in_reach, named_backends
from issuer.manifests.errors import BadInput
from issuer.requests.issuers import IssuerNameError


async def issuer_cas(name: str, cluster: ClusterChoice, home: str) -> bytes:
    """Return the CA chain of an issuer as PEM; `home` has the Secrets of cluster issuers. Raises BadInput."""
    kinds = kinds_in_reach(named_backends(()))
    try:
        key = kinds.parse(name)
    except IssuerNameError as error:
        raise BadInput(str(error)) from error
    resource = kinds[key.kind].resource
    where = LookedAt(key.kind, key.namespace)
    async with reading(cluster.kubeconfig, cluster.context, (), where) as reader:
        try:
            obj = await reader.client.get(resource, key.name, key.namespace or None)
        except NotFound as error:
            raise BadInput(f"There is no {key.quoted}.") from error
        trial = await trial_of(reader, key, obj, TrialOptions(home=home), datetime.now(UTC))
    if trial.health is None:
        why = trial.not_tried or (trial.error.message if trial.error else "nothing is known of it")
        raise BadInput(f"{name}: {why}")
    return trial.health.ca_pem.encode()
