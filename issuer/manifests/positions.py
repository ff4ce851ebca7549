"""One YAML mapping together with the line of each of its values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from issuer.manifests.documents import StrictLoader, yaml_problem
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


def read_mapping(source: str, content: bytes) -> PositionedMapping:
    """Parse one YAML mapping; an empty text is an empty one. Raises BadInput with file and line."""
    loader = None
    try:
        loader = StrictLoader(content)
        node = loader.get_single_node()
        if node is None:
            return PositionedMapping({}, {})
        # `construct_document` empties mappings of merged keys, so lines are taken before.
        lines = dict(_bounded(_lines(node, ())))
        data = loader.construct_document(node)
    except yaml.YAMLError as error:
        raise BadInput(f"{source}: {yaml_problem(error)}") from error
    except (RecursionError, ValueError) as error:
        raise BadInput(f"{source} is not valid YAML: {error}") from error
    finally:
        if loader is not None:
            loader.dispose()
    if not isinstance(data, dict) or not all(isinstance(key, str) for key in data):
        raise BadInput(f"{source}:1 must be a mapping of names to values")
    return PositionedMapping(data, lines)


def _bounded(lines: Iterator[tuple[ValuePath, int]]) -> Iterator[tuple[ValuePath, int]]:
    for number, line in enumerate(lines):
        if number >= MAX_VALUES:  # aliases of aliases
            raise ValueError(f"it holds more than {MAX_VALUES} values")
        yield line


def _lines(node: yaml.Node, path: ValuePath) -> Iterator[tuple[ValuePath, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            yield inner, key.start_mark.line + 1
            yield from _lines(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            inner = (*path, number)
            yield inner, value.start_mark.line + 1
            yield from _lines(value, inner)
