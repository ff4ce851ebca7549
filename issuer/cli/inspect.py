"""`vault-issuer inspect` and `explain`: one request of the cluster, what it holds and why it is so."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from issuer.cli.completing import complete_requests
from issuer.cli.options import Backends, ClusterChoice, Context, Format, Kubeconfig, OutputFormat
from issuer.cli.output import print_data, report_bad_input

if TYPE_CHECKING:
    from issuer.inspection.request.details import RequestDetails

TROUBLE = 1
NOT_ISSUED = 1
BAD_INPUT = 2

_Request = Annotated[
    str,
    typer.Argument(
        metavar="REQUEST",
        help="NAME of a CertificateRequest, csr/NAME of a Kubernetes CertificateSigningRequest, or "
        "certificate/NAME for the current request of a Certificate.",
        autocompletion=complete_requests,
    ),
]
_Namespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the kubeconfig's."),
]


def inspect(
    request: _Request,
    namespace: _Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Show a request taken apart: CSR, requester, decision, certificate and chain.

    What the CSR asks for beyond the request's spec, and what of the certificate is other than asked for, is
    told; each signature of the chain is verified. No Secret is read. What may not be read is named.

    Exit codes: 0 shown; 1 shown, and the certificate or its chain is not as it must be; 2 bad input, no such
    request, or no cluster.

    Examples:

      vault-issuer inspect web-1 -n team-a

      vault-issuer inspect certificate/web -n team-a -o json

      vault-issuer inspect csr/build-agent
    """
    cluster = ClusterChoice(kubeconfig, context, tuple(backends or ()))
    with report_bad_input(BAD_INPUT):
        found, report = asyncio.run(_inspected(request, namespace, cluster))
    if output is not OutputFormat.TABLE:
        print_data(report, output)
    else:
        from issuer.inspection.request.tables import show_report
        from issuer.terminal.console import console

        show_report(found, report, console())
    raise typer.Exit(TROUBLE if report["trouble"] else 0)


def explain(
    request: _Request,
    namespace: _Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Say why a request of the cluster is as it is, and what to do next.

    It looks at the request, its issuer, the policies, and who works. For one that is not in a cluster, or to
    try other policies, see `vault-issuer policy explain`.

    Exit codes: 0 it has its certificate; 1 it waits, was denied, or failed; 2 bad input, no such request, or
    no cluster.

    Examples:

      vault-issuer explain web-1 -n team-a

      vault-issuer explain certificate/web -n team-a
    """
    # Imported here so that --help and completion stay quick.
    from issuer.inspection.progress import RequestState

    cluster = ClusterChoice(kubeconfig, context, tuple(backends or ()))
    with report_bad_input(BAD_INPUT):
        found, diagnosis = asyncio.run(_explained(request, namespace, cluster))
    if output is not OutputFormat.TABLE:
        from issuer.inspection.request.report import diagnosis_json

        print_data(diagnosis_json(found, diagnosis), output)
    else:
        from issuer.inspection.request.tables import show_diagnosis
        from issuer.terminal.console import console

        show_diagnosis(found, diagnosis, console())
    raise typer.Exit(0 if found.progress.state is RequestState.ISSUED else NOT_ISSUED)


async def _inspected(
    name: str, namespace: str | None, cluster: ClusterChoice
) -> tuple[RequestDetails, dict[str, Any]]:
    from issuer.inspection.reading import reading
    from issuer.inspection.request.details import gather
    from issuer.inspection.request.report import report
    from issuer.inspection.target import chosen_target

    target = chosen_target(name, namespace, cluster.kubeconfig, cluster.context)
    async with reading(cluster.kubeconfig, cluster.context, cluster.backends) as reader:
        found = await gather(reader, target)
    return found, report(found, datetime.now(UTC))


async def _explained(name: str, namespace: str | None, cluster: ClusterChoice) -> tuple[RequestDetails, Any]:
    from issuer.inspection.overview.leases import controllers
    from issuer.inspection.reading import reading
    from issuer.inspection.request.details import gather
    from issuer.inspection.request.diagnosis import diagnose, needs_controllers
    from issuer.inspection.target import chosen_target

    target = chosen_target(name, namespace, cluster.kubeconfig, cluster.context)
    async with reading(cluster.kubeconfig, cluster.context, cluster.backends) as reader:
        found = await gather(reader, target)
        known = await controllers(reader, None, datetime.now(UTC)) if needs_controllers(found) else None
        found = replace(found, gaps=tuple(reader.gaps))
    return found, diagnose(found, known)
