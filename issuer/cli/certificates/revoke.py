"""`vault-issuer revoke`: certificates revoked by hand, plan first."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from issuer.cli.completing import complete_revoked
from issuer.cli.options import Context, DryRun, Format, Kubeconfig, OutputFormat, Yes
from issuer.cli.output import agreed_to_plan, print_data
from issuer.cli.streams import finished_without_output
from issuer.cli.vault import BAD_INPUT, Mounts, reported

if TYPE_CHECKING:
    from issuer.pki.server.calls import VaultCalls
    from issuer.revoking.revoking import RevocationPlan, RevocationResult, RevocationWish

NOT_ALL: Final = 1


def revoke(
    certificates: Annotated[
        list[str],
        typer.Argument(
            metavar="CERTIFICATE...",
            help="SERIAL, MOUNT/SERIAL, a file, or an object: certificate/NAME, secret/NAME, "
            "certificaterequest/NAME, certificatesigningrequest/NAME.",
            autocompletion=complete_revoked,
        ),
    ],
    mount: Mounts = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the kubeconfig's."),
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    ca: Annotated[bool, typer.Option("--ca", help="Revoke CA certificates, too.")] = False,
    cluster: Annotated[
        bool, typer.Option("--cluster/--no-cluster", help="Ask the kubeconfig's cluster what uses them.")
    ] = True,
    output: Format = OutputFormat.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Revoke certificates in Vault or OpenBao, plan first, and see that the CRL has them.

    The plan says whose each is, what uses it now, and what to do then: cert-manager doesn't renew a revoked
    certificate by itself. One that Vault doesn't store (no_store) is revoked by itself, as a file or by
    what the cluster holds. Vault's address and token come from VAULT_ADDR and VAULT_TOKEN, as for pki.

    Asks before it revokes; without a terminal, and with -o, --yes is the answer.

    Exit codes: 0 all are revoked, or with --dry-run the plan was shown; 1 some are not, with the reason, as
    CAs without --ca, or no CRL can have one; 2 bad input, or Vault or the cluster can't be read.

    Examples:

      vault-issuer revoke 2c:1f:0a:3b:41:52:77:01 --mount pki_int --dry-run

      vault-issuer revoke 2c:1f:0a:3b:41:52:77:01 --mount pki_int

      vault-issuer revoke certificate/web -n team-a --yes

      vault-issuer revoke leaked.pem --yes
    """
    with reported(BAD_INPUT):
        wish = _wish(certificates, mount, namespace, kubeconfig, context, ca=ca, cluster=cluster)
        done = asyncio.run(_run(wish, output, yes=yes, dry_run=dry_run))
    raise typer.Exit(0 if done else NOT_ALL)


def _wish(
    words: list[str],
    mount: list[str] | None,
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
    *,
    ca: bool,
    cluster: bool,
) -> RevocationWish:
    """Return what the options name. Raises BadInput."""
    from issuer.inspection.target import InspectionTarget
    from issuer.inventory.taking import AskedCluster
    from issuer.manifests.cluster import meant_namespace
    from issuer.manifests.errors import BadInput
    from issuer.revoking.named import parse_named
    from issuer.revoking.revoking import RevocationWish

    named = tuple(parse_named(word, "") for word in words)
    if any(isinstance(one, InspectionTarget) for one in named):
        if not cluster:
            raise BadInput("objects such as certificate/NAME take a cluster: leave out --no-cluster")
        where = meant_namespace(namespace, kubeconfig, context)
        named = tuple(parse_named(word, where) for word in words)
    asked = AskedCluster(kubeconfig, context) if cluster else None
    return RevocationWish(named, tuple(mount or ()), asked, ca)


async def _run(wish: RevocationWish, output: OutputFormat, *, yes: bool, dry_run: bool) -> bool:
    """Show the plan, and carry it out if that is agreed to; return True if all is as it was asked.

    Raises BadInput.
    """
    from issuer.pki.session import reached
    from issuer.revoking.revoking import plan_revocations

    now, shows = datetime.now(UTC), output is OutputFormat.TABLE
    async with reached([], os.environ) as session:
        plan = await plan_revocations(session.calls, wish, now)
        if shows:
            from issuer.revoking.show import show_plan
            from issuer.terminal.console import console

            at_once = yes and not dry_run and bool(plan.chosen)
            show_plan(plan, console(), now, dry_run=dry_run, rest=at_once)
        question = "Revoke? It can't be undone."
        done = not dry_run and (not plan.chosen or agreed_to_plan(question, yes=yes, asks=shows))
        with finished_without_output():
            results = await _revoke(session.calls, plan, told=shows) if done else []
    if not shows:
        print_data(_data(plan, results, done=done), output)
    told = all(not one.error and one.item.has_list for one in results)
    return (done or dry_run) and not plan.refused and told


async def _revoke(calls: VaultCalls, plan: RevocationPlan, *, told: bool) -> list[RevocationResult]:
    from issuer.manifests.text import shown
    from issuer.revoking.revoking import revoke as revoked
    from issuer.revoking.show import result_line

    results = []
    async for result in revoked(calls, plan.chosen):
        results.append(result)
        if told:
            typer.echo(shown(result_line(result), 1000))
            for step in () if result.error else result.item.next_steps(on_list=False):
                typer.echo(f"  then: {shown(step, 1000)}")
    return results


def _data(plan: RevocationPlan, results: list[RevocationResult], *, done: bool) -> dict[str, Any]:
    became = {one.item.row.sha256: one for one in results}
    entries = []
    for item in plan.items:
        result = became.get(item.row.sha256)
        entries.append(item.to_json() if result is None else result.to_json())
    return {"done": done, "certificates": entries, "unknown": [one.to_json() for one in plan.gaps]}
