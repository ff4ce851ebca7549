"""Print the shape of the source: sizes, class names, docstrings, and how much of it names a backend.

python -m tools.shape [--json] [FOLDER]

FOLDER is a package (default: issuer). Lines are counted as they stand, with comments and blank ones.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
LONG_MODULE = 400
"""Lines above which a module is listed."""
QUESTION = re.compile(r"(What|Whether|Who|Whose|Which|How|Why|Where|When)\b")
PRODUCT = re.compile(r"vault[-_]issuer", re.IGNORECASE)
"""The product's own name, in metrics, paths and labels, which names no backend."""
BACKEND = re.compile(r"vault|^(CLUSTER_)?ISSUER_(KIND|PLURAL)$", re.IGNORECASE)
"""Vault, its two kinds, and the constants that hold these (`issuer.api.group`)."""
BACKEND_PATHS = ("vault/", "signing/vault", "migrate/", "cli/", "api/")
"""Beginnings of paths that name a backend by their nature: its own, what users write, commands, migration."""
WATCHED_CLASSES = ("RequestReconciler", "RequestDecider", "RequestReporter", "Components", "Parts")
"""Classes whose fields are counted, where they are; `Parts` was the former name of `Components`."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One parsed source file; `path` is relative to its package."""

    path: Path
    lines: int
    tree: ast.Module

    @property
    def folder(self) -> str:
        """The folder it lies in, `.` for the package's own."""
        return str(self.path.parent)


def read(package: Path) -> list[Module]:
    """Return every module of a package, in the order of their paths."""
    files = sorted(package.rglob("*.py"))
    texts = [(file, file.read_text(encoding="utf-8")) for file in files]
    return [
        Module(file.relative_to(package), text.count("\n"), ast.parse(text, str(file)))
        for file, text in texts
    ]


def shape(modules: Sequence[Module]) -> dict[str, Any]:
    """Count the figures; they are ready for JSON."""
    docstrings = [text for module in modules for text in _docstrings(module.tree)]
    questions = sum(1 for text in docstrings if QUESTION.match(text))
    return {
        "modules": len(modules),
        "lines": sum(module.lines for module in modules),
        "folders": _folders(modules),
        "modules over 400 lines": {str(one.path): one.lines for one in modules if one.lines > LONG_MODULE},
        "public classes defined twice or more": _twice(modules),
        "docstrings": len(docstrings),
        "docstrings that open with a question word": questions,
        "share of those, percent": round(100 * questions / max(1, len(docstrings)), 1),
        "files that a second backend would change": _naming_backend(modules),
        "fields": {name: count for name in WATCHED_CLASSES if (count := _fields(modules, name)) is not None},
    }


def _folders(modules: Sequence[Module]) -> dict[str, dict[str, int]]:
    """Modules (without `__init__`) and lines directly in each folder."""
    lines: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for module in modules:
        lines[module.folder] += module.lines
        count[module.folder] += module.path.name != "__init__.py"
    return {folder: {"modules": count[folder], "lines": lines[folder]} for folder in sorted(lines)}


def _twice(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Public classes at a module's top level whose name another module defines, too."""
    places: dict[str, list[str]] = {}
    for module in modules:
        for node in module.tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places.setdefault(node.name, []).append(str(module.path))
    return {name: found for name, found in sorted(places.items()) if len(found) > 1}


def _docstrings(tree: ast.Module) -> Iterator[str]:
    """Docstrings of the module, its classes and functions, and the texts below constants and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function) and (text := ast.get_docstring(node)):
            yield text


def _naming_backend(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Modules outside the backends that name Vault or its kinds in code, or in text other than docstrings.

    Whoever adds a backend with kinds of its own, say for step-ca, has to look at each of them. With each come
    the words that name one, cut to 60 characters.
    """
    neutral = [module for module in modules if not module.path.as_posix().startswith(BACKEND_PATHS)]
    named = {
        str(module.path): sorted({word[:60] for word in _words(module.tree) if _names_backend(word)})
        for module in neutral
    }
    return {path: words for path, words in named.items() if words}


def _names_backend(word: str) -> bool:
    return BACKEND.search(PRODUCT.sub("", word)) is not None


def _words(tree: ast.Module) -> Iterator[str]:
    """Names and texts of the code; docstrings, comments and keyword arguments are left out."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            yield node.value
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def _fields(modules: Sequence[Module], name: str) -> int | None:
    """Count the attributes of a class, annotated in its body or assigned to `self`; None: no such class."""
    for module in modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef) and node.name == name:
                return len(_attributes(node))
    return None


def _attributes(node: ast.ClassDef) -> set[str]:
    annotated = [one.target for one in node.body if isinstance(one, ast.AnnAssign)]
    declared = {target.id for target in annotated if isinstance(target, ast.Name)}
    assigned = {
        one.attr
        for one in ast.walk(node)
        if isinstance(one, ast.Attribute)
        and isinstance(one.ctx, ast.Store)
        and isinstance(one.value, ast.Name)
        and one.value.id == "self"
    }
    return declared | assigned


def text(figures: dict[str, Any]) -> str:
    """Write the figures for people: one a line, lists below their heading."""
    lines = []
    for name, value in figures.items():
        if isinstance(value, list):
            lines += [f"{name}: {len(value)}", *(f"    {one}" for one in value)]
        elif isinstance(value, dict):
            lines += [f"{name}: {len(value)}", *(f"    {key}: {_shown(one)}" for key, one in value.items())]
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{number} {what}" for what, number in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def main(arguments: list[str]) -> int:
    """Print the figures of one package."""
    parser = argparse.ArgumentParser(prog="python -m tools.shape", description="Print the source's shape.")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "issuer")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args(arguments)
    figures = shape(read(options.folder))
    print(json.dumps(figures, indent=2) if options.json else text(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
