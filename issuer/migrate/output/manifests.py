"""Objects of a plan as YAML for `kubectl apply`, with the notes about each as comments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from issuer.kube.wire import Object
from issuer.manifests.text import shown, to_yaml
from issuer.migrate.plan import Plan, PlanStep
from issuer.migrate.steps.starter import HEADER, NONE

CREATE: Final = "1-create.yaml"
CHANGE: Final = "2-change.yaml"
UNDO: Final = "undo.yaml"
NAMES: Final = (CREATE, CHANGE, UNDO)
MADE: Final = "Made by vault-issuer migrate."
"""First words of each file, after `# `."""
CLUSTER: Final = "Cluster: "

_CREATE_HEAD: Final = (
    f"{MADE} Step 1: new objects. Running workloads are not affected; `kubectl delete -f`",
    "removes them. Go on when the issuers are Ready: `vault-issuer status` tells, or kubectl get by kind.",
)
_CHANGE_HEAD: Final = (
    f"{MADE} Step 2: existing objects that change. cert-manager then issues the",
    "certificates again, from vault-issuer. The way back is undo.yaml.",
)
_UNDO_HEAD: Final = (
    f"{MADE} The way back: the objects of step 2 as they were; what was changed in",
    "them since is lost. Use `kubectl replace -f`, as apply would leave annotations. cert-manager then",
    "reissues the certificates from the issuers of before, still there: of step-issuer's, if it runs.",
    "Afterwards step 1 may be deleted.",
)
_HEADS: Final = {CREATE: _CREATE_HEAD, CHANGE: _CHANGE_HEAD, UNDO: _UNDO_HEAD}


def to_apply(plan: Plan) -> str:
    """Return new and changed objects as one YAML stream, in an order that works."""
    made = parts(plan)
    return "---\n".join(
        _commented(_HEADS[name]) + "---\n".join(text for _, text in made[name])
        for name in (CREATE, CHANGE)
        if made[name]
    )


def parts(plan: Plan) -> Mapping[str, tuple[tuple[Object, str], ...]]:
    """Return the objects of each of the three files, in order, each with its text and comments."""
    return {
        CREATE: _texts((step, step.manifest) for step in plan.created),
        CHANGE: _texts((step, step.manifest) for step in plan.changed),
        UNDO: _texts((None, step.before) for step in reversed(plan.changed)),
    }


def joined(name: str, texts: Iterable[str], server: str = "") -> str:
    """Return the content of a file; `server` is the cluster that it is for, if it is for one."""
    about = (f"{CLUSTER}{server}",) if server else ()
    return "---\n".join((_commented((*_HEADS[name], *about)), *texts))


def _texts(objects: Iterable[tuple[PlanStep | None, Object | None]]) -> tuple[tuple[Object, str], ...]:
    return tuple(
        (manifest, f"{_comments(step) if step else ''}{to_yaml(manifest)}")
        for step, manifest in objects
        if manifest is not None
    )


def _comments(step: PlanStep) -> str:
    lines = [f"{step.old}: {step.new}" if step.old else step.new]
    lines += [f"{note.level.value}: {note.text}" for note in step.notes]
    manifest = step.manifest or {}
    text = _commented(lines)
    is_starter = manifest.get("kind") == "CertificateRequestPolicy" and step.old.startswith(NONE)
    return text + _commented(HEADER) if is_starter else text


def _commented(lines: Iterable[str]) -> str:
    return "".join(f"# {shown(line, 2000)}\n" for line in lines)
