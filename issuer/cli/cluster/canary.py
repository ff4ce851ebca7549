"""`vault-issuer canary`: one run of the canary from a terminal, stage by stage."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from issuer.cli.completing import complete_issuers
from issuer.cli.options import Backends, Context, Format, Kubeconfig, OutputFormat
from issuer.cli.output import print_data, report_bad_input

if TYPE_CHECKING:
    from issuer.controller.canary.history import CanaryRun
    from issuer.controller.canary.probe import ProbeStep
    from issuer.controller.canary.target import CanaryTarget

BROKEN: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130


def canary(
    issuer: Annotated[
        str,
        typer.Argument(
            help="VaultClusterIssuer/NAME or VaultIssuer/NAMESPACE/NAME.",
            metavar="KIND/[NAMESPACE/]NAME",
            autocompletion=complete_issuers,
            show_default=False,
        ),
    ],
    dns_name: Annotated[
        str, typer.Option(metavar="NAME", help="The name to ask for; policy and Vault's role must allow it.")
    ],
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="Where the request is made; a VaultIssuer is asked in its own namespace.",
        ),
    ] = "default",
    endpoint: Annotated[
        str | None,
        typer.Option(
            help="Also dial this, which serves the canary Certificate's Secret by TLS, and verify it to the "
            "same CA.",
            metavar="HOST:PORT",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="CAs (PEM) one of which must stand behind the certificate. Default: the CA of the answer.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    duration: Annotated[str, typer.Option(metavar="DURATION", help="The lifetime to ask for.")] = "1h",
    timeout: Annotated[
        float, typer.Option(help="Seconds in which the request must be answered.", min=1, max=3600)
    ] = 30.0,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Ask an issuer for a certificate, as the canary of the controller does, and say which stage breaks.

    Makes a CertificateRequest with a key of its own in your name, waits for the answer, verifies the chain,
    and deletes the request, also at Ctrl-C. That takes create, get and delete on certificaterequests in the
    namespace, and the use of a policy; get on the issuer gives better reasons.

    Stages: api, controller, policy, issuer, chain, endpoint.

    Exit codes: 0 all stages passed; 1 one broke, with what to do; 2 bad input, or no cluster.

    Examples:

      vault-issuer canary VaultClusterIssuer/vault --dns-name canary.lab.example.com

      vault-issuer canary VaultIssuer/team-a/vault --dns-name canary.a.example.com --endpoint canary.a:8443

      vault-issuer canary VaultClusterIssuer/vault --dns-name canary.lab.example.com -o json
    """
    # Imported here so that --help and completion stay quick.
    from issuer.controller.canary.target import (
        BadTarget,
        CanaryTarget,
        parse_canary_endpoint,
        parse_dns_name,
        parse_issuer,
        parse_life,
    )
    from issuer.manifests.backends import kinds_in_reach, named_backends

    with report_bad_input(BAD_INPUT, BadTarget, OSError):
        kinds = kinds_in_reach(named_backends(backends or ()))
        key = parse_issuer(issuer, kinds)
        target = CanaryTarget(
            issuer=key,
            namespace=key.namespace or namespace,
            dns_name=parse_dns_name(dns_name),
            endpoint=None if endpoint is None else parse_canary_endpoint(endpoint),
            duration=parse_life(duration),
            timeout=timeout,
            roots_pem=read_roots(ca_file),
            issuer_kinds=kinds,
        )
    try:
        with report_bad_input(BAD_INPUT):
            code = asyncio.run(_run(target, kubeconfig, context, output))
    except KeyboardInterrupt as error:
        typer.echo("Interrupted.", err=True)
        raise typer.Exit(INTERRUPTED) from error
    raise typer.Exit(code)


def read_roots(path: Path | None) -> str:
    """Return the CAs of a PEM file, '' without one. Raises BadTarget and OSError."""
    from issuer.controller.canary.target import parse_roots

    return "" if path is None else parse_roots(path.read_bytes(), str(path))


async def _run(
    target: CanaryTarget, kubeconfig: str | None, context: str | None, output: OutputFormat
) -> int:
    from issuer.controller.canary.probe import Probe, ProbeObserver
    from issuer.controller.canary.request import CLI
    from issuer.kube.errors import KubeError
    from issuer.manifests.cluster import check_namespace, open_client

    report = _Report(output)
    async with open_client(kubeconfig, context) as client:
        with suppress(KubeError):  # which the first stage tells
            await check_namespace(client, target.namespace)
        probe = Probe(client, target, CLI, ProbeObserver(report.step, report.waits))
        run = await probe.run()
    report.end(target, probe.request, run)
    return 0 if run.ok else BROKEN


class _Report:
    """Prints each step when it is over, as a line of a table, or all of them as JSON at the end."""

    def __init__(self, output: OutputFormat) -> None:
        self._output = output
        self._is_table = output is OutputFormat.TABLE
        self._steps: list[ProbeStep] = []

    def step(self, step: ProbeStep) -> None:
        """Report a stage that passed or broke."""
        self._steps.append(step)
        if self._is_table:
            from issuer.manifests.text import shown

            seconds = "" if step.seconds is None else f"{step.seconds:.2f} s"
            verdict, colour = ("ok", typer.colors.GREEN) if step.ok else ("BROKE", typer.colors.RED)
            styled = typer.style(f"{verdict:<5}", fg=colour)
            typer.echo(f"{step.stage:<10}  {styled}  {seconds:>8}  {shown(step.message, 2000)}")

    def waits(self, why: str) -> None:
        """Report why the request waits, by its own status."""
        from issuer.manifests.text import shown

        typer.echo(f"waiting: {shown(why, 2000)}", err=True)

    def end(self, target: CanaryTarget, request: str, run: CanaryRun) -> None:
        """Report the result, after the request was deleted."""
        if not self._is_table:
            print_data(self._as_json(target, request, run), self._output)
        elif run.stage is None:
            typer.echo(f"\n{target.issuer.quoted} issues: all stages passed in {run.seconds:.2f} s.")
        else:
            typer.echo(f"\n{target.issuer.quoted}: stage {run.stage} broke after {run.seconds:.2f} s.")

    def _as_json(self, target: CanaryTarget, request: str, run: CanaryRun) -> dict[str, Any]:
        from issuer.text import rfc3339

        return {
            "issuer": "/".join(filter(None, target.issuer)),
            "request": request,
            "ok": run.ok,
            "stage": run.stage,
            "message": run.message,
            "started": rfc3339(run.started),
            "seconds": round(run.seconds, 3),
            "notAfter": None if run.not_after is None else rfc3339(run.not_after),
            "steps": [
                {
                    "stage": one.stage,
                    "ok": one.ok,
                    "seconds": None if one.seconds is None else round(one.seconds, 3),
                    "message": one.message,
                }
                for one in self._steps
            ],
        }
