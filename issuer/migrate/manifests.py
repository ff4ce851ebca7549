"""The plan's objects as YAML for `kubectl apply`, with what is to be known about each as comments."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from issuer.explain.errors import BadInput
from issuer.explain.text import shown, to_yaml
from issuer.migrate.plan import Object, Plan, Step
from issuer.migrate.starter import HEADER, NONE

CREATE: Final = "1-create.yaml"
CHANGE: Final = "2-change.yaml"
UNDO: Final = "undo.yaml"

_CREATE_HEAD: Final = (
    "Made by vault-issuer migrate. Step 1: new objects. Nothing that runs notices; `kubectl delete -f` takes",
    "them away again. Go on when the issuers are Ready: kubectl get vaultissuers -A, vaultclusterissuers",
)
_CHANGE_HEAD: Final = (
    "Made by vault-issuer migrate. Step 2: existing objects that change. cert-manager then issues the",
    "certificates anew, from vault-issuer. The way back is undo.yaml.",
)
_UNDO_HEAD: Final = (
    "Made by vault-issuer migrate. The way back: the objects of step 2 as they were; what was changed in",
    "them since is lost. Use `kubectl replace -f`, as apply would leave annotations. cert-manager then",
    "issues the certificates anew, from its own issuers, still there. Afterwards step 1 may be deleted.",
)


def to_apply(plan: Plan) -> str:
    """New and changed objects in one stream, in an order that works."""
    return "---\n".join(filter(None, (_create(plan), _change(plan))))


def write(plan: Plan, folder: Path) -> tuple[Path, ...]:
    """Write the three files into a folder. Raises BadInput where one is there: it may be the way back."""
    files = {
        folder / name: content
        for name, content in ((CREATE, _create(plan)), (CHANGE, _change(plan)), (UNDO, _undo(plan)))
        if content
    }
    there = [folder / name for name in (CREATE, CHANGE, UNDO) if (folder / name).exists()]
    if there:
        raise BadInput(f"{there[0]} is there already, and may hold the way back: name another --output-dir")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in files.items():
            path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"{folder} can't be written: {error.strerror}") from error
    return tuple(files)


def _create(plan: Plan) -> str:
    return _stream(_CREATE_HEAD, ((step, step.manifest) for step in plan.created))


def _change(plan: Plan) -> str:
    return _stream(_CHANGE_HEAD, ((step, step.manifest) for step in plan.changed))


def _undo(plan: Plan) -> str:
    return _stream(_UNDO_HEAD, ((None, step.before) for step in reversed(plan.changed)))


def _stream(head: Iterable[str], objects: Iterable[tuple[Step | None, Object | None]]) -> str:
    texts = [
        f"{_comments(step)}{to_yaml(manifest)}" if step else to_yaml(manifest)
        for step, manifest in objects
        if manifest is not None
    ]
    return _commented(head) + "---\n".join(texts) if texts else ""


def _comments(step: Step) -> str:
    lines = [f"{step.old}: {step.new}" if step.old else step.new]
    lines += [f"{note.level.value}: {note.text}" for note in step.notes]
    manifest = step.manifest or {}
    text = _commented(lines)
    is_starter = manifest.get("kind") == "CertificateRequestPolicy" and step.old.startswith(NONE)
    return text + _commented(HEADER) if is_starter else text


def _commented(lines: Iterable[str]) -> str:
    return "".join(f"# {shown(line, 2000)}\n" for line in lines)
