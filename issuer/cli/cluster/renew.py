"""`vault-issuer renew`: asks cert-manager to issue Certificates again now, as `cmctl renew` does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple

import typer

from issuer.cli.completing import complete_certificates, complete_issuers
from issuer.cli.options import Backends, ClusterChoice, Context, Format, Kubeconfig, OutputFormat
from issuer.cli.output import agreed_to_plan, print_data, report_bad_input
from issuer.cli.streams import finished_without_output
from issuer.text import counted

if TYPE_CHECKING:
    from issuer.kube.client import KubeClient
    from issuer.kube.wire import Object
    from issuer.requests.issuers import IssuerKey, IssuerKinds

NOT_ALL = 1
BAD_INPUT = 2
_TRIES = 10
_AT_ONCE: Final = 8
"""Certificates that are asked for at the same time; each takes two calls."""


class CertificateName(NamedTuple):
    """Namespace and name of a Certificate."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class ByIssuer:
    """Choice of all Certificates of one issuer, in `namespace` (None: all), whose certificate began `before`
    a time (None: any, and those that have none)."""

    issuer: IssuerKey
    namespace: str | None
    before: datetime | None = None

    def holds(self, certificate: Object, kinds: IssuerKinds) -> bool:
        """Return True if this Certificate is one of them."""
        from issuer.inspection.progress import time_of

        if kinds.issuer_of(certificate) != self.issuer:
            return False
        began = time_of((certificate.get("status") or {}).get("notBefore"))
        return self.before is None or (began is not None and began < self.before)


@dataclass(frozen=True, slots=True)
class Ways:
    """Ways of going about it: unasked (`yes`), not at all (`dry_run`), with text for people (`shows`)."""

    yes: bool = False
    dry_run: bool = False
    shows: bool = True

    def agreed(self, question: str) -> bool:
        """Return True if it is to be done."""
        return agreed_to_plan(question, yes=self.yes, asks=self.shows)


@dataclass(frozen=True, slots=True)
class Renewals:
    """Certificates that were chosen, of one `issuer` or by name; `done` if cert-manager was asked for them,
    but for those in `trouble`, with the reason."""

    names: list[CertificateName]
    done: bool
    issuer: str | None = None
    trouble: dict[CertificateName, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `-o json` prints."""
        found: list[dict[str, Any]] = []
        for one in self.names:
            error = {"error": self.trouble[one]} if one in self.trouble else {}
            renewed = self.done and one not in self.trouble
            found.append({"namespace": one.namespace, "name": one.name, "renewed": renewed, **error})
        return {"done": self.done, "issuer": self.issuer, "certificates": found}


def renew(
    certificates: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CERTIFICATE...", help="Names of Certificates.", autocompletion=complete_certificates
        ),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND/[NAMESPACE/]NAME",
            autocompletion=complete_issuers,
            help="All Certificates of this issuer instead: with --namespace those there, of a cluster issuer "
            "otherwise those of all namespaces.",
        ),
    ] = None,
    issued_before: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="With --issuer: only those whose certificate began before, such as 2026-11-28T02:00:00Z.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --issuer: don't ask.")] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --issuer: show them alone, also with --yes."),
    ] = False,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the kubeconfig's."),
    ] = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Have cert-manager issue Certificates again now, instead of waiting for the next try or renewal.

    Sets the condition Issuing on each, as cmctl renew does. That takes get on certificates, and update on
    certificates/status; with --issuer list on certificates, too.

    After a rotation of the CA, --issuer leaves Certificates of other issuers alone, which cmctl renew --all
    does not, and asks first; without a terminal, and with -o, --yes is the answer. With --issued-before it
    goes on where it was interrupted.

    Exit codes: 0 all were asked for, or with --dry-run shown; 1 some were not, with the reason; 2 bad input,
    or no cluster.

    Examples:

      vault-issuer renew web -n team-a

      vault-issuer renew web api -n team-a

      vault-issuer renew --issuer vaultclusterissuer/vault --dry-run

      vault-issuer renew --issuer vaultclusterissuer/vault

      vault-issuer renew --issuer vaultclusterissuer/vault --issued-before 2026-11-28T02:00:00Z --yes
    """
    if bool(certificates) == (issuer is not None):
        raise typer.BadParameter("name Certificates, or all of one issuer with --issuer")
    if issuer is None and (yes or dry_run or issued_before):
        raise typer.BadParameter("--yes, --dry-run and --issued-before are for --issuer")
    cluster = ClusterChoice(kubeconfig, context, tuple(backends or ()))
    shows = output is OutputFormat.TABLE
    tell, ways = _say if shows else _keep_silent, Ways(yes, dry_run, shows)
    with report_bad_input(BAD_INPUT):
        if issuer is None:
            found = asyncio.run(_renew(certificates or [], namespace, cluster, tell))
        else:
            found = asyncio.run(_renew_all(issuer, _time(issued_before), namespace, cluster, tell, ways))
    if output is not OutputFormat.TABLE:
        print_data(found.to_json(), output)
    raise typer.Exit(NOT_ALL if found.trouble or not (found.done or dry_run) else 0)


def _time(text: str | None) -> datetime | None:
    from issuer.inspection.progress import time_of

    if text is None:
        return None
    found = time_of(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time with a zone, such as 2026-11-28T02:00:00Z")
    return found


async def _renew(
    names: list[str], namespace: str | None, cluster: ClusterChoice, tell: Callable[[str], None]
) -> Renewals:
    """Ask for Certificates by name, and tell each answer as it comes. Raises BadInput."""
    from issuer.manifests.cluster import asking_cluster, check_namespace, meant_namespace, open_client

    where = meant_namespace(namespace, cluster.kubeconfig, cluster.context)
    async with open_client(cluster.kubeconfig, cluster.context) as client:
        with asking_cluster():
            await check_namespace(client, where)
        found = Renewals([CertificateName(where, name) for name in dict.fromkeys(names)], done=True)
        await _ask(client, found, tell)
    return found


async def _renew_all(
    issuer: str,
    before: datetime | None,
    namespace: str | None,
    cluster: ClusterChoice,
    tell: Callable[[str], None],
    ways: Ways,
) -> Renewals:
    """Tell the Certificates of one issuer, and ask for them if that is agreed to. Raises BadInput."""
    from issuer.inspection.kinds import explained_kinds
    from issuer.inspection.target import chosen_target
    from issuer.manifests.backends import kinds_in_reach, named_backends
    from issuer.manifests.cluster import asking_cluster, check_namespace, open_client

    kinds = kinds_in_reach(named_backends(cluster.backends))
    targets = [one for one in explained_kinds(kinds) if one.kind in kinds]
    found = chosen_target([issuer], namespace, cluster.kubeconfig, cluster.context, targets)
    key = kinds[found.kind].key(found.namespace, found.name)
    choice = ByIssuer(key, key.namespace or namespace, before)
    async with open_client(cluster.kubeconfig, cluster.context) as client:
        with asking_cluster():
            await check_namespace(client, choice.namespace)
            await _check_is_there(client, key, kinds)
            names = [one async for one in certificates_of(client, choice, kinds)]
        if not ways.yes or ways.dry_run:
            for name in names:
                tell(str(name))
        done = not ways.dry_run and (not names or ways.agreed(f"Issue these {len(names)} again?"))
        renewals = Renewals(names, done, "/".join(filter(None, key)))
        if done:
            await _ask(client, renewals, tell)
            count = len(names) - len(renewals.trouble)
            tell(f"{count} of {len(names)} Certificates of {key.quoted} are issued again")
        else:
            tell(f"{counted(len(names), 'Certificate')} of {key.quoted}. Nothing was changed")
    return renewals


async def _check_is_there(client: KubeClient, key: IssuerKey, kinds: IssuerKinds) -> None:
    """Raise BadInput where there is no such issuer; whoever may not read it is believed."""
    from issuer.kube.errors import Forbidden, NotFound
    from issuer.manifests.errors import BadInput

    try:
        await client.get(kinds[key.kind].resource, key.name, key.namespace or None)
    except NotFound as error:
        raise BadInput(f"there is no {key.quoted}: correct --issuer") from error
    except Forbidden:
        return


async def certificates_of(
    client: KubeClient, choice: ByIssuer, kinds: IssuerKinds
) -> AsyncIterator[CertificateName]:
    """Yield the Certificates that are chosen. Raises KubeError."""
    from issuer.requests.resources import CERTIFICATES

    async for one in client.list_all(CERTIFICATES, namespace=choice.namespace):
        if choice.holds(one, kinds):
            yield CertificateName(one["metadata"]["namespace"], one["metadata"]["name"])


async def _ask(client: KubeClient, renewals: Renewals, tell: Callable[[str], None]) -> None:
    """Ask for each, tell each answer as it comes, and note what could not be asked for."""
    turn = asyncio.Semaphore(_AT_ONCE)

    async def ask(one: CertificateName) -> None:
        async with turn:
            trouble = await _trouble(client, one)
        if trouble:
            renewals.trouble[one] = trouble
        tell(f"{one}: {trouble or 'cert-manager issues it again'}")

    with finished_without_output():
        async with asyncio.TaskGroup() as group:
            for one in renewals.names:
                group.create_task(ask(one))


def _keep_silent(_: str) -> None:
    """Tell nothing: all is printed at the end."""


def _say(line: str) -> None:
    from issuer.manifests.text import shown

    typer.echo(shown(line, 1000))


async def _trouble(client: KubeClient, one: CertificateName) -> str:
    from issuer.kube.errors import KubeError, NotFound

    try:
        return await ask_for_renewal(client, one.name, one.namespace, datetime.now(UTC))
    except NotFound:
        return f'there is no Certificate "{one.name}" in namespace "{one.namespace}" (see -n)'
    except KubeError as error:
        return error.message


async def ask_for_renewal(client: KubeClient, name: str, namespace: str, now: datetime) -> str:
    """Set the condition Issuing of a Certificate; return why that makes no sense, "" where it was set.

    Raises KubeError. Source: cert-manager's cmctl, pkg/renew (reason ManuallyTriggered).
    """
    from issuer.inspection.commands import explain_certificate
    from issuer.kube.errors import Conflict
    from issuer.requests.conditions import is_true
    from issuer.requests.resources import CERTIFICATES
    from issuer.text import rfc3339

    issuing: dict[str, Any] = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "Certificate re-issuance manually triggered",
        "lastTransitionTime": rfc3339(now),
    }
    for left in reversed(range(_TRIES)):
        certificate = await client.get(CERTIFICATES, name, namespace)
        status = certificate.get("status") or {}
        conditions = status.get("conditions") or []
        if is_true(conditions, "Issuing"):
            return f"cert-manager is issuing it already: {explain_certificate(name, namespace)}"
        others = [one for one in conditions if one.get("type") != "Issuing"]
        generation = {"observedGeneration": certificate["metadata"].get("generation", 0)}
        new = {**certificate, "status": {**status, "conditions": [*others, issuing | generation]}}
        try:
            await client.replace_status(CERTIFICATES, new)
        except Conflict:
            if not left:
                raise
        else:
            return ""
    raise AssertionError("the loop ends by an answer")
