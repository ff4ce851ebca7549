"""Files become a `PkiFile`: overlays merged in order, `${VAR}` replaced, every problem with file and line."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

from issuer.manifests.checked import dotted, validated
from issuer.manifests.documents import STDIN, read_source
from issuer.manifests.errors import BadInput
from issuer.manifests.positions import read_mapping
from issuer.pki.file.checks.problems import problems_of
from issuer.pki.file.model import Part, PkiFile
from issuer.pki.file.place import Path, Place, Places

BOTH_PARTS: Final = frozenset(Part)
_VARIABLE: Final = re.compile(r"\$(\$?)\{([^}]*)\}")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORDS: Final = {"string_pattern_mismatch": "holds characters that a name in Vault can't have"}
_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """The checked file, the place of each value, the SHA-256 of its texts, and the folder of the first."""

    file: PkiFile = field(repr=False)
    places: Places = field(repr=False)
    sha256: str
    folder: FilePath
    sources: tuple[str, ...]


def load(
    paths: Sequence[str], environment: Mapping[str, str], parts: Collection[Part] = BOTH_PARTS
) -> LoadedFile:
    """Read files, the later ones over the earlier. Raises BadInput with every problem, a line each.

    Variables of a foundation that isn't among `parts` may be unset, and stay as they are.
    """
    first = FilePath() if not paths or paths[0] == STDIN else FilePath(paths[0]).parent
    return load_texts([read_source(path) for path in paths], environment, first, parts)


def load_texts(
    texts: Sequence[tuple[str, bytes]],
    environment: Mapping[str, str],
    folder: FilePath,
    parts: Collection[Part] = BOTH_PARTS,
) -> LoadedFile:
    """Read texts, each with the name of its source, as `load` does; files that they name are in `folder`."""
    merged: dict[str, Any] = {}
    places: dict[Path, Place] = {}
    digest, sources = hashlib.sha256(), []
    for source, content in texts:
        digest.update(len(content).to_bytes(8, "big") + content)
        sources.append(source)
        read = read_mapping(source, content)
        merged = _merge(merged, read.data, (), places)
        for inner, line in read.lines.items():
            places.setdefault(inner, Place(source, line))
        places.setdefault((), Place(source, 1))
    if not merged:
        raise BadInput(f"{sources[0]} is empty; write what Vault is to hold, such as mounts and authorities")
    told = Places(places)
    data, told = _replaced(merged, environment, told, parts)
    return LoadedFile(checked(data, told), told, digest.hexdigest(), folder, tuple(sources))


def checked(data: Mapping[str, Any], places: Places) -> PkiFile:
    """Return the file of merged and replaced data. Raises BadInput with every problem, a line each."""
    file = validated(PkiFile, data, lambda path: str(places.of(*path)), _WORDS)
    problems = problems_of(file, places)
    if problems:
        raise BadInput("\n".join(problems))
    return file


def _merge(under: dict[str, Any], over: Mapping[str, Any], path: Path, places: dict[Path, Place]) -> Any:
    """Return a deep merge: maps by key, anything else replaced, null removes. Forget replaced places."""
    result = dict(under)
    for key, value in over.items():
        here = (*path, key)
        before = result.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            result[key] = _merge(before, value, here, places)
            continue
        for known in [one for one in places if one[: len(here)] == here]:
            del places[known]
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge({}, value, here, places) if isinstance(value, dict) else value
    return result


def _replaced(
    data: Any, environment: Mapping[str, str], places: Places, parts: Collection[Part]
) -> tuple[Any, Places]:
    """Return the data with its variables replaced, in keys, too, and the places by the new keys."""
    variables = _Variables(environment, places, needs_foundation=Part.FOUNDATION in parts)
    result = variables.walk(data, (), ())
    if variables.problems:
        raise BadInput("\n".join(variables.problems[:_SHOWN]))
    return result, Places({(): places.of(), **variables.places}, variables.keys)


class _Variables:
    """Replaces `${NAME}` in texts, and notes every problem. `places` are those of the result, `keys` the
    keys that were replaced."""

    def __init__(self, environment: Mapping[str, str], places: Places, *, needs_foundation: bool) -> None:
        self._needs_foundation = needs_foundation
        self._environment = environment
        self._places = places
        self.places: dict[Path, Place] = {}
        self.keys: dict[Path, str] = {}
        self.problems: list[str] = []

    def walk(self, value: Any, path: Path, renamed: Path) -> Any:
        """Return `value` with the variables in it replaced."""
        self.places[renamed] = self._places.of(*path)
        if isinstance(value, dict):
            return self._mapping(value, path, renamed)
        if isinstance(value, list):
            return [self.walk(one, (*path, at), (*renamed, at)) for at, one in enumerate(value)]
        return self._replace(value, path)

    def _mapping(self, value: Mapping[str, Any], path: Path, renamed: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, inner in value.items():
            here = (*path, key)
            name = self._replace(key, here)
            if name in result:
                self.problems.append(f"{self._places.of(*here)} {dotted(here)}: {name} is given twice")
            if name != key:
                self.keys[*renamed, name] = key
            result[name] = self.walk(inner, here, (*renamed, name))
        return result

    def _replace(self, value: Any, path: Path) -> Any:
        if isinstance(value, str) and "${" in value:
            return _VARIABLE.sub(lambda found: self._text(found, path), value)
        return value

    def _text(self, found: re.Match[str], path: Path) -> str:
        if found[1]:  # $${NAME} stands for ${NAME}
            return found[0][1:]
        name, where = found[2], f"{self._places.of(*path)} {dotted(path)}:"
        if _NAME.fullmatch(name) is None:
            self.problems.append(f"{where} ${{{name}}} is not a variable's name")
        elif name not in self._environment:
            if path[:1] == (Part.FOUNDATION.value,) and not self._needs_foundation:
                return found[0]
            self.problems.append(
                f"{where} the environment variable {name} is not set; set it, or write $${{{name}}} for the "
                "text itself"
            )
        return self._environment.get(name, "")
