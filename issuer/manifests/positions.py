"""One YAML mapping together with the line of each of its values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from issuer.manifests.documents import NESTED, StrictLoader, refuse_bytes, yaml_problem
from issuer.manifests.errors import BadInput

ValuePath = tuple[str | int, ...]

MAX_VALUES: Final = 200_000
"""Keys and list items of one mapping, its aliases expanded."""


@dataclass(frozen=True, slots=True)
class PositionedMapping:
    """A mapping, and the line (from 1) of each key and list item by its path."""

    data: dict[str, Any] = field(repr=False)
    lines: dict[ValuePath, int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FilePlaces:
    """The line of each value of one file."""

    source: str
    lines: dict[ValuePath, int] = field(repr=False)

    def of(self, path: ValuePath) -> str:
        """Return `file:line` of a value, or of the nearest value around it that has one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.source}:{self.lines[path[:length]]}"
        return f"{self.source}:1"


_TYPES: Final = ("null", "bool", "int", "str", "seq", "map")
"""Types of values that JSON has, too; a number with a fraction is text."""
_SAME: Final = ("null", "merge")
"""Types that YAML 1.1 and 1.2 find alike in what has no quotes."""


class AsWritten(StrictLoader):
    """Safe YAML loader that makes a number or a truth value only of what nobody reads otherwise.

    YAML 1.1 takes `NO` for false, `01234` for 668, `1:30` for 90 and `1.10` for 1.1; as a country, a postal
    code or a serial number that would be signed. Here they are text as they were written, as editors show
    them (YAML 1.2); a field that is a number or a truth value reads the text itself.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's way of saying so
        first: [(tag, regexp) for tag, regexp in resolvers if tag.rpartition(":")[2] in _SAME]
        for first, resolvers in StrictLoader.yaml_implicit_resolvers.items()
    }
    yaml_constructors = {  # noqa: RUF012 - as above; those of `!!binary` and `!!set` are left out
        tag: constructor
        for tag, constructor in StrictLoader.yaml_constructors.items()
        if tag is None or tag.rpartition(":")[2] in _TYPES
    }


AsWritten.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile("(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
AsWritten.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile("[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)


def read_mapping(source: str, content: bytes) -> PositionedMapping:
    """Parse one YAML mapping; an empty text is an empty one. Raises BadInput with file and line."""
    refuse_bytes(source, content)
    loader = None
    try:
        loader = AsWritten(content)
        node = loader.get_single_node()
        if node is None:
            return PositionedMapping({}, {})
        # `construct_document` empties mappings of merged keys, so lines are taken before.
        lines = dict(_bounded(_lines(node, ())))
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise BadInput(f"{source}: {yaml_problem(error)}") from error
    except _InItself as error:
        raise BadInput(
            f"{source}:{error.line} an alias stands inside of what it names; write it out"
        ) from error
    except RecursionError as error:
        raise BadInput(f"{source} is not valid YAML: {NESTED}") from error
    except ValueError as error:
        raise BadInput(f"{source} is not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise BadInput(f"{source}:1 must be a mapping of names to values")
    return PositionedMapping(data, lines)


class _InItself(Exception):
    """An alias below the anchor that it names; `line` is that of the key or item that has it."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


def _bounded(lines: Iterator[tuple[ValuePath, int]]) -> Iterator[tuple[ValuePath, int]]:
    for number, line in enumerate(lines):
        if number >= MAX_VALUES:  # aliases of aliases
            raise ValueError(f"it holds more than {MAX_VALUES} values")
        yield line


def _lines(
    node: yaml.Node, path: ValuePath, above: tuple[yaml.Node, ...] = ()
) -> Iterator[tuple[ValuePath, int]]:
    within = (*above, node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _below(value, inner, within, key)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            inner = (*path, number)
            yield inner, value.start_mark.line + 1
            yield from _below(value, inner, within, value)


def _below(
    value: yaml.Node, path: ValuePath, within: tuple[yaml.Node, ...], key: yaml.Node
) -> Iterator[tuple[ValuePath, int]]:
    if any(value is one for one in within):
        raise _InItself(key.start_mark.line + 1)
    return _lines(value, path, within)
