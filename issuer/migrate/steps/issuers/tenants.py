"""Notes about issuers of a namespace, whose authors choose the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from issuer.api.vault import ServiceAccountRef, VaultSpec
from issuer.migrate.plan import Note, info, todo
from issuer.migrate.read.inventory import Ref
from issuer.servers.allowed import AllowedServers
from issuer.vault.connection import Connection
from issuer.vault.login.audiences import foreign_audience, own_audience

_MOST: Final = 20
_NOBODYS: Final = AllowedServers()


def tenant_notes(ref: Ref, vault: VaultSpec) -> Iterator[Note]:
    """Yield notes about what cert-manager does for an Issuer and we don't for a VaultIssuer."""
    if not ref.namespace:
        return
    url = Connection(vault.server).url()
    host, port = url.raw_host or "", url.port or 0
    # Files and plans are judged without a look-up: `proxied` judges a name as it is written.
    if _NOBODYS.refusal_of_name(host, port, proxied=True) is not None:
        yield info(
            f"spec.vault.server: VaultIssuers may use {host}:{port} only where it is listed: see that it is "
            "in --allowed-servers (chart: namespacedIssuers.allowedServers)"
        )
    method, _ = vault.auth.chosen()
    kubernetes, aws = vault.auth.kubernetes, vault.auth.aws
    if method == "kubernetes" and kubernetes is not None:
        yield from _audiences(ref, kubernetes.service_account_ref)
        if kubernetes.secret_ref is not None:
            yield info(
                "spec.vault.auth.kubernetes.secretRef: if the Secret is of type "
                "kubernetes.io/service-account-token, it is no credential for a VaultIssuer. Set "
                "serviceAccountRef instead then, or make it a VaultClusterIssuer"
            )
    elif method == "aws" and aws is not None:
        yield from _audiences(ref, aws.service_account_ref)


def _audiences(ref: Ref, account: ServiceAccountRef | None) -> Iterator[Note]:
    audiences = () if account is None else account.audiences
    foreign = foreign_audience(ref.namespace, ref.name, audiences)
    if foreign is not None:
        yield todo(
            f"serviceAccountRef.audiences: {foreign} is another issuer's, and refused for a VaultIssuer. "
            f"Take it out, and bind Vault's role to {own_audience(ref.namespace, ref.name)}"
        )
    rest = [one for one in audiences if "kubernetes.default" in one]
    if rest:
        yield todo(
            f"serviceAccountRef.audiences: {rest[0]} looks like the API server's. A token that it takes is "
            "not sent for a VaultIssuer: take it out, and give Vault a token_reviewer_jwt of its own"
        )


def servers_note(refs: Iterable[tuple[Ref, VaultSpec]]) -> Iterator[Note]:
    """Yield a note of the servers that the operator's list has to name once it names any."""
    found = set()
    for ref, vault in refs:
        if ref.namespace:
            url = Connection(vault.server).url()
            found.add(f"{url.host_subcomponent}:{url.port}")
    if found:
        shown = sorted(found)[:_MOST]
        more = f" and {len(found) - _MOST} more" if len(found) > _MOST else ""
        yield info(
            f"the VaultIssuers use {', '.join(shown)}{more}: list these servers in --allowed-servers (chart: "
            "namespacedIssuers.allowedServers), so that they can't use any other"
        )
