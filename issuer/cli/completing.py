"""Shell completion: names of objects, and kubectl's way of asking a plugin for completions."""

from __future__ import annotations

import asyncio
import io
import os
import shlex
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from issuer.inspection.kinds import TargetKind
    from issuer.requests.issuers import IssuerKinds

SECONDS: Final = 3.0
"""Seconds a cluster may take before nothing is completed: somebody waits at a prompt."""
MOST: Final = 200

_NO_FILES: Final = 4
_DEFAULT: Final = 0
"""ShellCompDirectiveNoFileComp and ShellCompDirectiveDefault (github.com/spf13/cobra, completions.go)."""
_VARIABLE: Final = "_VAULT_ISSUER_KUBECTL_COMPLETE"


def complete_explained(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of the namespace's requests, kinds that `explain` takes, and names behind them."""
    from issuer.inspection.kinds import explained_kinds

    return _completed(ctx, incomplete, explained_kinds(_kinds()))


def complete_inspected(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of the namespace's requests, kinds that `inspect` takes, and names behind them."""
    from issuer.inspection.kinds import inspected_kinds

    return _completed(ctx, incomplete, inspected_kinds(_kinds()))


def complete_certificates(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete names of the namespace's Certificates."""
    from issuer.inspection.kinds import CERTIFICATE_KIND

    kind = "certificate/"
    return [one.removeprefix(kind) for one in _completed(ctx, kind + incomplete, [CERTIFICATE_KIND])]


def complete_issuers(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete kinds of issuers, and names behind them."""
    from issuer.inspection.kinds import explained_kinds
    from issuer.inspection.target import completed_kinds

    kinds = _kinds()
    listed = [one for one in explained_kinds(kinds) if one.kind in kinds]
    if "/" in incomplete:
        return _completed(ctx, incomplete, listed)
    return completed_kinds((one for one in listed if "." not in one.kind or "." in incomplete), incomplete)


def complete_revoked(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete kinds and names; serial numbers are nobody's to remember, and Secrets aren't listed."""
    from issuer.inspection.kinds import SECRET_KIND
    from issuer.revoking.named import IN_CLUSTER

    listed = [one for one in IN_CLUSTER if one is not SECRET_KIND]
    found = _completed(ctx, incomplete, listed) if "/" in incomplete else []
    kinds = (one.form.removesuffix("NAME") for one in IN_CLUSTER)
    return found or [one for one in kinds if one.startswith(incomplete)]


def _kinds() -> IssuerKinds:
    from issuer.manifests.backends import kinds_in_reach
    from issuer.signing.backends import built_in

    return kinds_in_reach(built_in())


def _completed(ctx: typer.Context, incomplete: str, kinds: Sequence[TargetKind]) -> list[str]:
    given = {name: ctx.params.get(name) for name in ("namespace", "kubeconfig", "context")}
    try:
        return asyncio.run(_names(incomplete, kinds, **given))
    except Exception:  # noqa: BLE001 - whatever is wrong, a prompt is no place to say so
        return []


async def _names(
    incomplete: str,
    kinds: Sequence[TargetKind],
    namespace: str | None,
    kubeconfig: str | None,
    context: str | None,
) -> list[str]:
    from issuer.cluster import find_namespace
    from issuer.inspection.target import names
    from issuer.manifests.cluster import open_client

    where = namespace or find_namespace(kubeconfig, context)
    async with asyncio.timeout(SECONDS), open_client(kubeconfig, context) as client:
        return await names(client, incomplete, where, MOST, kinds)


def answer_kubectl(app: typer.Typer, words: Sequence[str]) -> str:
    """Return what `kubectl_complete-vault_issuer` prints for the words behind the plugin's name.

    One completion a line, with a tab before its help, and Cobra's directive last. fish wants the same lines,
    so Typer's answer to fish is asked for.
    Source: kubectl's pkg/cmd/plugin/plugin_completion.go.
    """
    *before, last = words or [""]
    line = shlex.join(["vault-issuer", *before]) + " " + (shlex.quote(last) if last else "")
    os.environ |= {
        _VARIABLE: "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": line,
    }
    printed = io.StringIO()
    run: Any = app
    with redirect_stdout(printed), suppress(SystemExit):
        run(prog_name="vault-issuer", complete_var=_VARIABLE)
    found = printed.getvalue().strip()
    return f"{found}\n:{_NO_FILES}\n" if found else f":{_DEFAULT}\n"
