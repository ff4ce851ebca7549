"""`vault-issuer inspect` and `explain`: one object of the cluster, what it holds and why it is so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from issuer.cli.cluster.advice import print_yaml_only
from issuer.cli.completing import complete_explained, complete_inspected
from issuer.cli.options import Backends, ClusterChoice, Context, Format, Kubeconfig, OutputFormat, YamlOnly
from issuer.cli.output import print_data, report_bad_input, without_logs

if TYPE_CHECKING:
    from issuer.inspection.answers import InspectionAnswer
    from issuer.inspection.kinds import TargetKind
    from issuer.inspection.reading import Reader
    from issuer.inspection.target import InspectionTarget
    from issuer.requests.issuers import IssuerKinds

BAD_INPUT = 2

_KINDS = (
    "NAME of a CertificateRequest, or KIND/NAME. KIND as kubectl takes it: certificate, certificaterequest, "
    "csr (a CertificateSigningRequest), vaultclusterissuer, vaultissuer, "
    "stepclusterissuers.vault-issuer.io, stepissuers.vault-issuer.io, "
    "certificaterequestpolicies.vault-issuer.io; in any case, plural, or by its short name. An adopted "
    "issuer with its group: stepclusterissuer.certmanager.step.sm."
)
_SECRETS = f"{_KINDS} secret/NAME shows a Secret's certificate."
_Explained = Annotated[str, typer.Argument(metavar="TARGET", help=_KINDS, autocompletion=complete_explained)]
_Inspected = Annotated[
    str, typer.Argument(metavar="TARGET", help=_SECRETS, autocompletion=complete_inspected)
]
_Name = Annotated[str | None, typer.Argument(metavar="NAME", help="The name, where TARGET is KIND alone.")]
_Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the kubeconfig's."),
]


def inspect(
    target: _Inspected,
    name: _Name = None,
    namespace: _Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Show what a request, Certificate, issuer, policy or Secret holds, and what of it is wrong.

    Of a request, and of a Certificate's current one: CSR, requester, decision, certificate and chain; where
    they differ from each other, and each signature verified. Of a Secret: the certificate's fields and URLs,
    the order of the chain, and if the key belongs to it; the key is never printed. Other objects show what
    `explain` says of them, with nothing tried. What may not be read is named.

    Exit codes: 0 shown; 1 shown, and the certificate, its chain or key, the issuer or the policy is not as it
    must be; 2 bad input, no such object, or no cluster.

    Examples:

      vault-issuer inspect web-1 -n team-a

      vault-issuer inspect certificate/web -n team-a -o json

      vault-issuer inspect csr/build-agent

      vault-issuer inspect secret/web-tls -n team-a
    """
    from issuer.inspection.answers import inspect_target
    from issuer.inspection.kinds import inspected_kinds

    cluster = ClusterChoice(kubeconfig, context, tuple(backends or ()))
    with report_bad_input(BAD_INPUT):
        found = asyncio.run(_asked(inspect_target, inspected_kinds, (target, name), namespace, cluster))
    _print(found, output)


def explain(
    target: _Explained,
    name: _Name = None,
    namespace: _Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    no_live: Annotated[
        bool,
        typer.Option(
            "--no-live", help="Try no issuer: no Secret is read, and nothing is sent to its server."
        ),
    ] = False,
    cluster_resource_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Namespace of the Secrets of cluster issuers. Default: the only controller's.",
        ),
    ] = None,
    yaml_only: YamlOnly = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Say why a request, Certificate, issuer or policy is as it is, and what to do next.

    Of a Certificate it is the current request; without one, what cert-manager says and what is missing. For a
    request that is not in a cluster, or to try other policies, see `vault-issuer policy explain`.

    An issuer is tried live with your rights: its Secrets are read, and it logs in. Credentials go only to the
    server to which the controller has sent them since the issuer last changed. For what you may not read, it
    shows what the controller found. A policy shows what it matches, who may use it, and what it approved.

    Exit codes: 0 it does what it is there for, such as a request that has its certificate; 1 it doesn't, with
    the reason; 2 bad input, no such object, or no cluster. With --yaml-only 0 if there is YAML.

    Examples:

      vault-issuer explain certificate/web -n team-a

      vault-issuer explain web-1 -n team-a --yaml-only

      vault-issuer explain vaultclusterissuer/vault

      vault-issuer explain certificaterequestpolicies.vault-issuer.io/web
    """
    # Imported here so that --help and completion stay quick.
    from issuer.inspection.answers import NOT_GOOD, explain_target
    from issuer.inspection.kinds import explained_kinds
    from issuer.inspection.objects.issuers import TrialOptions

    if yaml_only and output is not OutputFormat.TABLE:
        raise typer.BadParameter("--yaml-only and --output exclude each other")
    cluster = ClusterChoice(kubeconfig, context, tuple(backends or ()))
    trial = TrialOptions(
        off="switched off by --no-live" if no_live else "", home=cluster_resource_namespace or ""
    )

    async def ask(reader: Reader, target: InspectionTarget, now: datetime) -> InspectionAnswer:
        return await explain_target(reader, target, trial, now)

    with report_bad_input(BAD_INPUT), without_logs():
        found = asyncio.run(_asked(ask, explained_kinds, (target, name), namespace, cluster))
    if yaml_only:
        print_yaml_only(found.advice, NOT_GOOD)
    _print(found, output)


async def _asked(
    ask: Callable[[Reader, InspectionTarget, datetime], Awaitable[InspectionAnswer]],
    kinds: Callable[[IssuerKinds], Sequence[TargetKind]],
    words: tuple[str, str | None],
    namespace: str | None,
    cluster: ClusterChoice,
) -> InspectionAnswer:
    from issuer.inspection.opening import LookedAt, reading
    from issuer.inspection.target import chosen_target
    from issuer.manifests.backends import kinds_in_reach, named_backends

    known = kinds(kinds_in_reach(named_backends(cluster.backends)))
    given = [word for word in words if word is not None]
    target = chosen_target(given, namespace, cluster.kubeconfig, cluster.context, known)
    about = LookedAt(target.kind, target.namespace)
    async with reading(cluster.kubeconfig, cluster.context, cluster.backends, about) as reader:
        return await ask(reader, target, datetime.now(UTC))


def _print(found: InspectionAnswer, output: OutputFormat) -> None:
    """Print an answer and end the command with its exit code."""
    if output is not OutputFormat.TABLE:
        print_data(found.data, output)
    else:
        from issuer.terminal.console import console

        found.show(console())
    raise typer.Exit(found.exit_code)
