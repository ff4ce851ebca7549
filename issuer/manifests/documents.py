"""Documents that users give as files, folders or standard input: YAML objects, or a PEM request.

YAML is read as the API server's clients read it, but stricter: a key given twice is refused, since one of the
two would silently not count. Files are bounded in size and number.
"""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from issuer.manifests.errors import BadInput

MAX_FILE: Final = 16 << 20
"""Bytes of one file: about 4,000 CertificateRequests."""

MAX_FILES: Final = 5_000
"""Files of one folder, with those of the folders in it."""

NESTED: Final = "its lists and mappings are nested too deeply"
"""The message where the parser runs out of stack."""

_PLAIN: Final = (
    ("found character '\\t'", "a tab stands here; YAML is indented by spaces alone"),
    (
        "could not determine a constructor",
        "a value of this type is not taken; write text, a number or true, without a tag (!)",
    ),
    ("found unhashable key", "a list or mapping stands where a name has to be"),
    ("but found another document", "a second document (---) begins here; one is taken"),
)
"""How PyYAML's words begin, and what they mean to who wrote the file."""

STDIN: Final = "-"
_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})
_MERGE: Final = "tag:yaml.org,2002:merge"
# In YAML a PEM block is indented below its key; at the start of a line it is a file of its own.
_PEM: Final = re.compile(rb"^-----BEGIN [A-Z0-9 ]+-----", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Document:
    """One object, and its `source`, such as `web.yaml` or `web.yaml, document 2`."""

    source: str
    data: dict[str, Any] = field(repr=False)

    @property
    def kind(self) -> str:
        """Its `kind`, or ''."""
        return self.text("kind")

    @property
    def api_version(self) -> str:
        """Its `apiVersion`, or ''."""
        return self.text("apiVersion")

    @property
    def group(self) -> str:
        """The group of its `apiVersion`; '' for the core group."""
        group, slash, _ = self.api_version.rpartition("/")
        return group if slash else ""

    @property
    def metadata(self) -> dict[str, Any]:
        """Its `metadata`, or {}."""
        metadata = self.data.get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    @property
    def name(self) -> str:
        """`metadata.name`, or ''."""
        name = self.metadata.get("name")
        return name if isinstance(name, str) else ""

    def text(self, key: str) -> str:
        """Return a text field at the top, or ''."""
        value = self.data.get(key)
        return value if isinstance(value, str) else ""


def read_source(path: str) -> tuple[str, bytes]:
    """Return name and content of a file, or of standard input for `-`. Raises BadInput."""
    if path == STDIN:
        content = sys.stdin.buffer.read(MAX_FILE + 1)
        return "standard input", _bounded("standard input", content)
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_FILE + 1)
    except IsADirectoryError as error:
        raise BadInput(f"{path} is a folder; name a file") from error
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}") from error
    return path, _bounded(path, content)


def is_pem(content: bytes) -> bool:
    """Return True for a PEM file, False for YAML that holds one."""
    return _PEM.search(content) is not None


def read_documents(source: str, content: bytes) -> list[Document]:
    """Parse all objects of a YAML or JSON text, the items of a List one by one. Raises BadInput."""
    if is_pem(content):
        raise BadInput(f"{source} is PEM; a YAML or JSON file is wanted here")
    refuse_bytes(source, content)
    try:
        # The loader is a safe one: it makes plain values only.
        loaded = list(yaml.load_all(content, Loader=StrictLoader))
    except yaml.YAMLError as error:
        hint = ". Is it a Helm template? Render it first (helm template)" if b"{{" in content else ""
        raise BadInput(f"{source} is not valid YAML: {yaml_problem(error)}{hint}") from error
    except RecursionError as error:
        raise BadInput(f"{source} is not valid YAML: {NESTED}") from error
    except ValueError as error:
        raise BadInput(f"{source} is not valid YAML: {error}") from error
    several = len(loaded) > 1
    found: list[Document] = []
    for number, data in enumerate(loaded, 1):
        name = f"{source}, document {number}" if several else source
        found += _objects(name, data)
    return found


def read_tree(paths: Iterable[str]) -> list[Document]:
    """Read all objects of these files, of the YAML and JSON files in folders, and of `-`. Raises BadInput."""
    found: list[Document] = []
    for path in paths:
        for file in _files(path):
            found += read_documents(*read_source(file))
    return found


def _files(path: str) -> Iterator[str]:
    try:
        files = sorted(_walk(Path(path))) if path != STDIN and Path(path).is_dir() else None
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}") from error
    if files is None:
        yield path
        return
    if not files:
        raise BadInput(f"{path} holds no .yaml, .yml or .json file")
    yield from map(str, files)


def _walk(folder: Path) -> Iterator[Path]:
    found = 0
    for file in folder.rglob("*"):
        # Hidden folders (.git, the ..data of a mounted ConfigMap) hold copies, not more policies.
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if hidden or file.suffix not in _SUFFIXES or not file.is_file():
            continue
        found += 1
        if found > MAX_FILES:
            raise BadInput(f"{folder} holds more than {MAX_FILES} files; name the folder of the policies")
        yield file


def _objects(source: str, data: object) -> Iterator[Document]:
    if data is None:
        return
    if not isinstance(data, dict):
        raise BadInput(f"{source} is not a Kubernetes object: it has no kind")
    items = data.get("items")
    if not str(data.get("kind", "")).endswith("List") or not isinstance(items, list):
        yield Document(source, data)
        return
    for number, item in enumerate(items, 1):
        yield from _objects(f"{source}, item {number}", item)


def _bounded(source: str, content: bytes) -> bytes:
    if len(content) > MAX_FILE:
        raise BadInput(f"{source} is larger than {MAX_FILE >> 20} MiB")
    return content


def refuse_bytes(source: str, content: bytes) -> None:
    """Raise BadInput for what is no text. UTF-16 with its mark is left to the parser."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    try:
        content.decode()
        at = content.find(b"\0")
    except UnicodeDecodeError as error:
        at = error.start
    if at >= 0:
        line = content.count(b"\n", 0, at) + 1
        raise BadInput(f"{source}:{line} is no text in UTF-8; name a YAML file, or save it as UTF-8")


def yaml_problem(error: yaml.YAMLError) -> str:
    """Return the line, column and problem of a YAML error."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        said = str(error.problem or error.context)
        plain = next((words for start, words in _PLAIN if said.startswith(start)), said)
        end = plain.replace("'<stream end>'", "the end of the file")
        return f"line {mark.line + 1}, column {mark.column + 1}: {end}"
    return " ".join(str(error).split())[:200]


class StrictLoader(yaml.SafeLoader):
    """Safe YAML loader that keeps dates as text, as Kubernetes does, and refuses a key given twice."""

    # Of the implicit types only the date is left out; Kubernetes' own reader knows none.
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's way of saying so
        first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue  # `<<: *name`: its keys count where the mapping has none of their own
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                continue  # refused below
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {str(key)[:64]!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)
