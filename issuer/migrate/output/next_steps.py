"""Commands to paste, which apply the written files or take them back."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from issuer.migrate.origins import ORIGINS
from issuer.migrate.output.folder import Folder, Written
from issuer.migrate.output.manifests import CHANGE, CREATE, UNDO
from issuer.migrate.plan import Plan


def kubectl(kubeconfig: str | None, context: str | None) -> str:
    """Return the kubectl command for the cluster that was read."""
    options = [("--kubeconfig", kubeconfig), ("--context", context)]
    return shlex.join(["kubectl", *(f"{option}={value}" for option, value in options if value)])


def onwards(folder: Folder, plan: Plan, namespace: str | None, program: str = "kubectl") -> Iterator[str]:
    """Yield the commands that carry a written plan out."""
    yield "Next, once what is listed as to do is done:"
    kinds = {(step.manifest or {}).get("kind") for step in plan.created}
    if plan.created:
        yield f"  {program} apply -f {_file(folder, CREATE)}"
    where = f"-n {shlex.quote(namespace)}" if namespace else "-A"
    ready = f"  {program} wait --for=condition=Ready --timeout=60s --all"
    for origin in ORIGINS.values():
        if origin.new_kind in kinds:
            # Two groups have a plural of that name.
            resource = origin.new_plural if origin.new_kind != origin.kind else origin.new_signer_domain
            yield f"{ready} {resource} {where}" if origin.resource.namespaced else f"{ready} {resource}"
    if plan.changed:
        yield f"  {program} apply -f {_file(folder, CHANGE)}"


def back(folder: Folder, written: Written, program: str = "kubectl") -> Iterator[str]:
    """Yield the commands that take it all back, with what an earlier run has left in the folder."""
    there = {*folder.held, *written.texts}
    commands = [
        f"{program} {verb} -f {_file(folder, name)}"
        for verb, name in (("replace", UNDO), ("delete", CREATE))
        if name in there
    ]
    yield f"The way back, until you delete the old issuers: {' && '.join(commands)}"


def _file(folder: Folder, name: str) -> str:
    return shlex.quote(str(folder.path / name))
