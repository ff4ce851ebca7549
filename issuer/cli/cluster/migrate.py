"""`vault-issuer migrate`: options in, plan and exit code out; the work is done in `issuer.migrate`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli.output import interrupted_at_once, report_bad_input
from issuer.cli.streams import finished_without_output
from issuer.migrate.options import Starter
from issuer.text import counted

if TYPE_CHECKING:
    from issuer.kube.client import KubeClient
    from issuer.migrate.options import Options
    from issuer.migrate.output.folder import Folder
    from issuer.migrate.plan import Plan

FAILED: Final = 1
BAD_INPUT: Final = 2


class PlanFormat(StrEnum):
    """Form of the plan on standard output."""

    TABLE = "table"
    YAML = "yaml"
    JSON = "json"


def migrate(
    file: Annotated[
        list[str] | None,
        typer.Option(
            "--file",
            "-f",
            metavar="FILE_OR_DIR",
            help="Manifests: issuers, policies, and what uses them (YAML, JSON); - for standard input. "
            "Repeatable.",
        ),
    ] = None,
    from_cluster: Annotated[
        bool,
        typer.Option("--from-cluster", help="Read the kubeconfig's cluster instead. Secrets are not read."),
    ] = False,
    namespace: Annotated[
        str | None,
        typer.Option(
            "--namespace",
            "-n",
            metavar="NAME",
            help="With files: namespace of objects that name none. With --from-cluster: look at this one "
            "alone (and at what is cluster-scoped).",
        ),
    ] = None,
    kubeconfig: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="With --from-cluster: kubeconfig file. Default: as kubectl."),
    ] = None,
    context: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --from-cluster: context of the kubeconfig.")
    ] = None,
    controller: Annotated[
        str, typer.Option(metavar="NS/NAME", help="ServiceAccount of vault-issuer.")
    ] = "vault-issuer-system/vault-issuer",
    cluster_resource_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="vault-issuer's option of that name. Default: the namespace of --controller."
        ),
    ] = None,
    cert_manager: Annotated[
        str, typer.Option(metavar="NS/NAME", help="ServiceAccount of cert-manager.")
    ] = "cert-manager/cert-manager",
    cert_manager_resource_namespace: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="cert-manager's --cluster-resource-namespace. Default: the namespace of --cert-manager.",
        ),
    ] = None,
    starter: Annotated[
        Starter,
        typer.Option(
            help="Write an open starter policy for issuers that had none: auto does so unless "
            "approver-policy has policies, which then say that nothing is open."
        ),
    ] = Starter.AUTO,
    output: Annotated[
        PlanFormat,
        typer.Option(
            "--output",
            "-o",
            help="table: the plan. yaml: manifests for kubectl apply, the plan on stderr. json: both.",
        ),
    ] = PlanFormat.TABLE,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Also write 1-create.yaml, 2-change.yaml and undo.yaml, the way back, there. A later "
            "--apply adds to them.",
        ),
    ] = None,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply",
            help="Carry the plan out, with --from-cluster and --output-dir: everything is tried first "
            "(server-side dry run), then asked, then written; Certificates only once their issuer is Ready.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --apply: don't ask.")] = False,
    wait: Annotated[
        float, typer.Option(help="With --apply: seconds to wait for issuers to be Ready.", min=0)
    ] = 60.0,
) -> None:
    """Move from cert-manager's Vault issuer, step-issuer and approver-policy to vault-issuer.

    Reads Issuers and ClusterIssuers with spec.vault, step-issuer's issuers, policies, RBAC, and what names an
    issuer. Prints a plan, then manifests: what is to be created and changed, and what can't be carried over.
    Only --apply writes to a cluster.

    Exit codes: 0 all is carried over, 1 something can't be (or --apply failed), 2 bad input, 3 carried over
    with losses or with something left to do by hand.

    Examples:

      vault-issuer migrate -f issuer.yaml

      vault-issuer migrate -f manifests/ -o yaml > moved.yaml

      vault-issuer migrate --from-cluster --output-dir migration
    """
    _check_source(file, from_cluster, kubeconfig or context)
    _check_apply(apply, yes, from_cluster, output_dir, output)
    # Imported here so that --help and completion stay quick.
    from issuer.migrate.options import Account, Options
    from issuer.migrate.output.next_steps import kubectl

    with report_bad_input(BAD_INPUT):
        folder = _folder(output_dir)
        ours = Account.parse(controller, "--controller")
        theirs = Account.parse(cert_manager, "--cert-manager")
        options = Options(
            controller=ours,
            cert_manager=theirs,
            resource_namespace=cluster_resource_namespace or ours.namespace,
            old_resource_namespace=cert_manager_resource_namespace or theirs.namespace,
            namespace=namespace,
            starter=starter,
            from_cluster=from_cluster,
        )
        target = _Target(output, folder, apply, yes, wait, kubectl(kubeconfig, context))
        if from_cluster:
            code = asyncio.run(_from_cluster(options, kubeconfig, context, target))
        else:
            code = _from_files(options, file or [], target)
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Target:
    """Destination of the plan, as the options name it."""

    output: PlanFormat
    folder: Folder | None
    apply: bool
    yes: bool
    wait: float
    kubectl: str = "kubectl"


def _check_source(file: list[str] | None, from_cluster: bool, cluster_option: str | None) -> None:
    if bool(file) == from_cluster:
        raise typer.BadParameter("give either --file or --from-cluster")
    if cluster_option and not from_cluster:
        raise typer.BadParameter("--kubeconfig and --context belong to --from-cluster")


def _check_apply(
    apply: bool, yes: bool, from_cluster: bool, output_dir: Path | None, output: PlanFormat
) -> None:
    if yes and not apply:
        raise typer.BadParameter("--yes belongs to --apply")
    if apply and not from_cluster:
        raise typer.BadParameter("--apply belongs to --from-cluster; files are for kubectl apply")
    if apply and output_dir is None:
        raise typer.BadParameter("--apply needs --output-dir, where the way back is kept")
    if apply and output is not PlanFormat.TABLE:
        raise typer.BadParameter("--apply shows the plan as a table; leave --output out")


def _from_files(options: Options, paths: list[str], target: _Target) -> int:
    from issuer.manifests.documents import read_tree
    from issuer.migrate.steps.assemble import plan_of

    plan = plan_of(read_tree(paths), options)
    _show(plan, target, options.namespace)
    return plan.exit_code


async def _from_cluster(
    options: Options, kubeconfig: str | None, context: str | None, target: _Target
) -> int:
    from issuer.manifests.cluster import open_client
    from issuer.migrate.read.cluster import read_cluster
    from issuer.migrate.steps.assemble import plan_of

    async with open_client(kubeconfig, context) as client:
        if target.apply and target.folder:
            target.folder.check_cluster(client.server)
        read = await read_cluster(client, options)
        plan = plan_of(read.documents, options, read.notes)
        if target.apply and target.folder:
            return await _apply(client, plan, target, target.folder)
        _show(plan, target, options.namespace, client.server)
    return plan.exit_code


async def _apply(client: KubeClient, plan: Plan, target: _Target, folder: Folder) -> int:
    """Show the plan, try it, ask, keep it in files, and carry it out."""
    from issuer.migrate.output.applying import carry_out, try_out
    from issuer.migrate.output.next_steps import back
    from issuer.migrate.output.table import show

    show(plan, writes=True)
    if not plan.created and not plan.changed:
        typer.echo("There is nothing to create or to change; nothing was written.")
        return plan.exit_code
    written = folder.more(plan, client.server)
    await try_out(client, plan)
    what = f"{counted(len(plan.created), 'object')} to create and {len(plan.changed)} to change"
    typer.echo(f"The API server would take it: {what} in {client.server}.")
    for name in written.kept:
        typer.echo(
            f"{name} holds some of these otherwise. This plan counts; a copy of the file is kept beside it."
        )
    if not target.yes and not _agreed():
        return FAILED
    _print_paths(folder.write(written))
    with _way_back_told(back(folder, written, target.kubectl)), finished_without_output():
        done = await carry_out(client, plan, target.wait, typer.echo)
    return plan.exit_code if done else FAILED


@contextmanager
def _way_back_told(lines: Iterable[str]) -> Iterator[None]:
    """Say how all is undone, and the more where it did not come to its end."""
    try:
        yield
    except asyncio.CancelledError:
        typer.echo("\nInterrupted: what was done stays; run the same again to go on.", err=True)
        raise
    finally:
        for line in lines:
            typer.echo(line)


def _agreed() -> bool:
    try:
        with interrupted_at_once():
            agreed = typer.confirm("Apply?")
    except typer.Abort:  # the end of standard input, or Ctrl-C
        typer.echo("\nNo answer, so nothing was written. Without a terminal use --yes.")
        return False
    if not agreed:
        typer.echo("Nothing was written.")
    return agreed


def _folder(path: Path | None) -> Folder | None:
    from issuer.migrate.output.folder import open_folder

    return open_folder(path) if path is not None else None


def _show(plan: Plan, target: _Target, namespace: str | None, server: str = "") -> None:
    from issuer.migrate.output.manifests import to_apply
    from issuer.migrate.output.next_steps import back, onwards
    from issuer.migrate.output.table import show

    folder = target.folder
    written = folder.new(plan, server) if folder else None
    paths = folder.write(written) if folder and written and written.texts else ()
    if target.output is PlanFormat.JSON:
        json.dump(plan.to_json(), sys.stdout, indent=2, ensure_ascii=True)
        sys.stdout.write("\n")
    elif target.output is PlanFormat.YAML:
        show(plan, stderr=True)
        sys.stdout.write(to_apply(plan))
    else:
        show(plan)
    if folder and written and paths:
        _print_paths(paths)
        limit = namespace if server else None
        for line in (*onwards(folder, plan, limit, target.kubectl), *back(folder, written, target.kubectl)):
            typer.echo(line, err=True)


def _print_paths(paths: Iterable[Path]) -> None:
    from issuer.manifests.text import shown

    for path in paths:
        typer.echo(f"Written: {shown(str(path))}", err=True)
