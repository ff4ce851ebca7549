"""Other controllers whose kinds this one adopts: no start beside one that runs, nor without its CRDs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from issuer.controller.process.options import OptionsError
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, KubeError, NotFound
from issuer.kube.resources import Resource
from issuer.requests.issuers import IssuerKind
from issuer.text import first_of

DEPLOYMENTS: Final = Resource("apps", "v1", "deployments", namespaced=True)
_NAME: Final = "app.kubernetes.io/name"
_SHOWN: Final = 5


async def refuse_peers(client: KubeClient, peers: Iterable[str]) -> None:
    """Raise OptionsError if a Deployment runs one of these controllers, or if that can't be seen.

    No Lease tells: step-issuer's election of a leader is off by default.
    """
    names = frozenset(peers)
    if not names:
        return
    try:
        found = [one async for one in client.list_all(DEPLOYMENTS) if runs(one, names)]
    except Forbidden as error:
        raise OptionsError(
            f"whether {' or '.join(sorted(names))} runs can't be seen: {error.message}. Grant list of "
            "deployments.apps (the chart's adopt.stepIssuer does), or give --adopt-anyway where none runs"
        ) from error
    except KubeError as error:
        raise OptionsError(f"Deployments can't be listed: {error.message}") from error
    if found:
        where = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found]
        namespace, _, name = where[0].partition("/")
        raise OptionsError(
            f"{first_of(where, _SHOWN)} runs {' or '.join(sorted(names))}, and two controllers must "
            "not serve the same issuers: kubectl scale --replicas=0 "
            f"-n {namespace} deployment/{name}, or give --adopt-anyway if that is another program"
        )


async def require_kinds(client: KubeClient, kinds: Iterable[IssuerKind]) -> None:
    """Raise OptionsError if the API server has none of these kinds of other controllers.

    Waiting for one would hold up the issuers of all kinds.
    """
    for kind in kinds:
        try:
            await client.list_page(kind.resource, limit=1)
        except NotFound as error:
            raise OptionsError(
                f"the API server has no {kind.signer_domain}, which is adopted: install the CRDs of "
                f"{kind.group} again, which have to stay where the other controller goes, or leave "
                "--adopt-step-issuer out (chart: adopt.stepIssuer)"
            ) from error
        except KubeError:  # what is waited for at every start
            return


def runs(deployment: Mapping[str, Any], peers: frozenset[str]) -> bool:
    """Return True if a Deployment has or wants pods of one of these programs, by its label or an image."""
    spec, metadata = deployment.get("spec") or {}, deployment["metadata"]
    if not (spec.get("replicas", 1) or (deployment.get("status") or {}).get("replicas")):
        return False
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or ()
    named = {_repository(str(one.get("image") or "")) for one in containers}
    return bool(peers & {*named, str((metadata.get("labels") or {}).get(_NAME) or "")})


def _repository(image: str) -> str:
    """Return the last part of an image's path: `step-issuer` of `registry:5000/smallstep/step-issuer:1.9`."""
    return image.partition("@")[0].rpartition("/")[2].partition(":")[0]
