"""Notes about issuers of a namespace, whose authors choose the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from issuer.api.vault import ServiceAccountRef, VaultSpec
from issuer.migrate.plan import Note, info, todo
from issuer.migrate.read.inventory import Ref
from issuer.servers.allowed import AllowedServers
from issuer.text import first_of
from issuer.vault.connection import Connection
from issuer.vault.login.audiences import foreign_audience, own_audience

_MOST: Final = 20
_NOBODYS: Final = AllowedServers()


def tenant_notes(ref: Ref, vault: VaultSpec) -> Iterator[Note]:
    """Yield notes about what cert-manager does for an Issuer and we don't for a VaultIssuer."""
    if not ref.namespace:
        return
    url = Connection(vault.server).url()
    yield from server_note(ref, "spec.vault.server", url.raw_host or "", url.port or 0)
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


def server_note(ref: Ref, field: str, host: str, port: int) -> Iterator[Note]:
    """Yield a note if an issuer of a namespace may use this server only where the operator lists it."""
    # Files and plans are judged without a look-up: `proxied` judges a name as it is written.
    if ref.namespace and _NOBODYS.refusal_of_name(host, port, proxied=True) is not None:
        yield info(
            f"{field}: {ref.new_kind}s may use {host}:{port} only where it is listed: see that it is "
            "in --allowed-servers (chart: namespacedIssuers.allowedServers)"
        )


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


def servers_note(servers: Iterable[tuple[Ref, str]]) -> Iterator[Note]:
    """Yield a note of the servers, `host:port`, that the operator's list has to name once it names any."""
    found = {server for ref, server in servers if ref.namespace}
    if found:
        yield info(
            f"issuers of namespaces use {first_of(sorted(found), _MOST)}: list these servers in "
            "--allowed-servers (chart: namespacedIssuers.allowedServers), so that they can't use any other"
        )
