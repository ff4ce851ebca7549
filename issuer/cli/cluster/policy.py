"""`vault-issuer policy`: options in, text and exit code out; the work is done in `issuer.explain`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from issuer.cli.cluster.advice import print_yaml_only
from issuer.cli.help import Commands, HelpfulGroup
from issuer.cli.options import Backends, Format, OutputFormat, YamlOnly
from issuer.cli.output import print_data, report_bad_input
from issuer.site import docs_page
from issuer.text import counted

if TYPE_CHECKING:
    from issuer.explain.evaluation import Explanation
    from issuer.explain.review_input import ReviewInput

APPROVED: Final = 0
DENIED: Final = 1
UNPROCESSED: Final = 2
BAD_INPUT: Final = 3

ClusterKubeconfig = Annotated[
    str | None, typer.Option(metavar="FILE", help="With --cluster: kubeconfig file. Default: as kubectl.")
]
ClusterContext = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --cluster: context of the kubeconfig.")
]


class PolicyGroup(HelpfulGroup):
    """Group of commands whose usage errors exit with 3: 2 means Unprocessed in these commands."""

    usage_exit_code = BAD_INPUT


app = Commands(
    name="policy",
    cls=PolicyGroup,
    help="""Explain, test and lint CertificateRequestPolicies, with or without a cluster.

    Examples:
      vault-issuer policy explain -f certificate.yaml --cluster
      vault-issuer policy test policies/cases.yaml
      vault-issuer policy lint policies/
    """,
)


@app.command("explain")
def explain_requests(
    file: Annotated[
        str,
        typer.Option(
            "--file",
            "-f",
            metavar="REQUEST",
            help="CertificateRequest or Certificate (YAML, JSON, several documents), or a bare PEM request; "
            "- for standard input.",
        ),
    ],
    policies: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE_OR_DIR",
            help="Policies to judge by, offline, and the roles and bindings of their use. Repeatable.",
        ),
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster", help="Judge by the policies, namespaces and RBAC of the kubeconfig's cluster."
        ),
    ] = False,
    as_user: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="USER",
            help="Who makes the request. Default: spec.username; for a Certificate cert-manager's "
            "ServiceAccount; with --cluster else yourself.",
        ),
    ] = None,
    as_group: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="A group of that user. Repeatable.")
    ] = None,
    allow_use: Annotated[
        list[str] | None,
        typer.Option(
            metavar="POLICY", help="Take it that the requester may use this policy; '*' for all. Repeatable."
        ),
    ] = None,
    namespace_labels: Annotated[
        str | None, typer.Option(metavar="K=V,...", help="Labels of the request's namespace.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Namespace, where the request names none."),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(metavar="KIND/NAME", help="Bare PEM request: its issuer, e.g. VaultClusterIssuer/demo."),
    ] = None,
    duration: Annotated[
        str | None, typer.Option(metavar="DURATION", help="Bare PEM request: spec.duration, e.g. 2160h.")
    ] = None,
    usages: Annotated[
        list[str] | None,
        typer.Option(metavar="USAGE,...", help="Bare PEM request: spec.usages, e.g. 'server auth'."),
    ] = None,
    is_ca: Annotated[bool, typer.Option("--is-ca", help="Bare PEM request: it asks for a CA.")] = False,
    kubeconfig: ClusterKubeconfig = None,
    context: ClusterContext = None,
    backends: Backends = None,
    yaml_only: YamlOnly = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Say how a request would be decided, policy by policy and field by field, and what to do about it.

    Offline, a policy may be used if a role and a binding among the files say so, or --allow-use.

    Exit codes: 0 Approved, 1 Denied, 2 Unprocessed (no policy applies), 3 bad input. Of several requests the
    worst counts: 1, then 2. With --yaml-only 0 if there is YAML.

    Examples:

      vault-issuer policy explain -f certificate.yaml --policies policies/ --allow-use web

      kubectl get certificaterequest web-1 -o yaml | vault-issuer policy explain -f - --cluster

      vault-issuer policy explain -f web.csr -n team-a --issuer VaultClusterIssuer/demo --policies web.yaml
    """
    if cluster and policies:
        raise typer.BadParameter("--policies and --cluster exclude each other")
    _check_cluster(cluster, kubeconfig, context)
    if yaml_only and output is not OutputFormat.TABLE:
        raise typer.BadParameter("--yaml-only and --output exclude each other")
    # Imported here so that --help and completion stay quick.
    from issuer.explain.advice import advise
    from issuer.explain.cluster import ClusterOptions, explain_all
    from issuer.explain.offline import read_labels
    from issuer.explain.review_input import RequestOptions, read_requests
    from issuer.manifests.backends import named_backends
    from issuer.manifests.requester import named

    with report_bad_input(BAD_INPUT):
        kinds = named_backends(backends or ()).kinds
        options = RequestOptions(namespace, issuer, duration, tuple(usages or ()), is_ca, kinds)
        requests = read_requests(file, options)
        requester = named(as_user or "", as_group or ()) if as_user or as_group else None
        labels = None if namespace_labels is None else read_labels(namespace_labels)
        wanted = ClusterOptions(kubeconfig, context, requester, tuple(allow_use or ()), labels)
        if cluster:
            explained = asyncio.run(explain_all(requests, wanted))
        else:
            explained = _explain_offline(requests, policies or (), wanted)
    if yaml_only:
        print_yaml_only([one for each in explained for one in advise(each)], _exit_code(explained))
    _show_explanations(explained, output)
    raise typer.Exit(_exit_code(explained))


@app.command("test")
def run_case_file(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help=f"File of cases ({docs_page('policy', 'test')}); - for standard input."
        ),
    ],
    output: Format = OutputFormat.TABLE,
) -> None:
    """Judge the requests of a file of cases, and compare with the decisions that it expects.

    The file: `cases: [{name, request, policies, as, groups, allowUse, expect, violations}]`; paths in it are
    relative to it.

    Exit codes: 0 all cases pass, 1 some fail, 3 bad input.

    Example:

      vault-issuer policy test policies/cases.yaml
    """
    from issuer.explain.cases import counts, run_cases
    from issuer.manifests.text import shown

    with report_bad_input(BAD_INPUT):
        results = run_cases(file)
    total = counts(results)
    if output is not OutputFormat.TABLE:
        print_data({"cases": [result.to_json() for result in results], **total}, output)
    else:
        for result in results:
            mark = "ok   " if result.passed else "ERROR" if result.error else "FAIL "
            by = f" by {result.policy}" if result.policy else ""
            detail = f": {result.decision}{by}" if result.passed else ""
            typer.echo(f"{mark} {shown(result.name)}{detail}")
            for problem in (*result.problems, *filter(None, [result.error])):
                typer.echo(f"        {shown(problem, 1000)}")
        errors = f", {total['errors']} could not be judged" if total["errors"] else ""
        typer.echo(
            f"{counted(len(results), 'case')}: {total['passed']} passed, {total['failed']} failed{errors}"
        )
    raise typer.Exit(BAD_INPUT if total["errors"] else 1 if total["failed"] else 0)


@app.command("lint")
def lint_policies(
    paths: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILE_OR_DIR...", help="Policies, and the RBAC that belongs to them."),
    ] = None,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="Read the policies, issuers, RBAC and namespaces of a cluster.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")] = False,
    kubeconfig: ClusterKubeconfig = None,
    context: ClusterContext = None,
    backends: Backends = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Find policies that can't be used, and what in the others is probably not meant.

    Exit codes: 0 no errors, 1 errors (with --strict also warnings), 3 bad input.

    Examples:

      vault-issuer policy lint policies/

      vault-issuer policy lint --cluster
    """
    if bool(paths) == cluster:
        raise typer.BadParameter("give files and folders, or --cluster")
    _check_cluster(cluster, kubeconfig, context)
    from issuer.explain.lint.cluster import lint_cluster
    from issuer.explain.lint.linting import lint as lint_paths
    from issuer.manifests.backends import named_backends
    from issuer.manifests.text import shown

    with report_bad_input(BAD_INPUT):
        kinds = named_backends(backends or ()).kinds
        if cluster:
            report = asyncio.run(lint_cluster(kubeconfig, context, kinds))
        else:
            report = lint_paths(paths or (), kinds)
    if output is not OutputFormat.TABLE:
        findings = [finding.to_json() for finding in report.findings]
        print_data({"policies": report.policies, "findings": findings}, output)
    else:
        for finding in report.findings:
            where = f"{finding.field}: " if finding.field else ""
            typer.echo(
                shown(
                    f"{finding.source}: {finding.policy}: {finding.level.value}: {where}{finding.message}",
                    2000,
                )
            )
        found = ", ".join((counted(report.errors, "error"), counted(report.warnings, "warning")))
        typer.echo(f"{counted(report.policies, 'policy', 'policies')}: {found}")
    raise typer.Exit(1 if report.errors or (strict and report.warnings) else 0)


def _check_cluster(cluster: bool, kubeconfig: str | None, context: str | None) -> None:
    """Raise BadParameter for options of a cluster where none is asked."""
    if not cluster and (kubeconfig or context):
        raise typer.BadParameter("--kubeconfig and --context belong to --cluster")


def _explain_offline(
    requests: Sequence[ReviewInput], paths: Sequence[str], options: Any
) -> list[Explanation]:
    from issuer.explain.offline import check_known, explain
    from issuer.explain.policies import policies_in
    from issuer.manifests.documents import read_tree

    documents = read_tree(paths)
    found = policies_in(documents)
    check_known(found, options.allow_use)
    return [
        explain(
            request,
            options.requester or request.requester,
            found,
            options.labels or {},
            options.allow_use,
            documents,
        )
        for request in requests
    ]


def _show_explanations(explained: Sequence[Explanation], output: OutputFormat) -> None:
    if output is not OutputFormat.TABLE:
        _show_data(explained, output)
        return
    from issuer.explain.rendering import show
    from issuer.terminal.console import console
    from issuer.terminal.tables import rule

    to = console()
    for number, explanation in enumerate(explained):
        if number:
            rule(to)
        show(explanation, to)


def _show_data(explained: Sequence[Explanation], output: OutputFormat) -> None:
    """Print one request as an object, several as a list with the requests' names; notes go to stderr."""
    from issuer.manifests.text import shown

    notes = [note for one in explained for note in (*one.policies.notes, *one.request.notes)]
    for note in dict.fromkeys(notes):
        typer.echo(f"Note: {shown(note, 600)}", err=True)
    if len(explained) == 1:
        print_data(explained[0].decision.to_json(), output)
    else:
        print_data([{"request": one.request.title, **one.decision.to_json()} for one in explained], output)


def _exit_code(explained: Sequence[Explanation]) -> int:
    verdicts = {one.decision.verdict.value for one in explained}
    if "Denied" in verdicts:
        return DENIED
    return UNPROCESSED if "Unprocessed" in verdicts else APPROVED
