"""The syntax tree of a compiled rule, read from the engine's serialized form.

The engine shows no tree, but serializes a checked expression as `cel.expr.CheckedExpr` in an Any. Here is
as much of Protocol Buffers' wire format as that takes. Sources: https://protobuf.dev/programming-guides/encoding/;
cel-spec, proto/cel/expr/syntax.proto and checked.proto (the field numbers).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Constant:
    """A literal: its text for strings (and bytes, as Latin-1), and the value of whole numbers."""

    text: str | None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Identifier:
    """A variable, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class Select:
    """A field of a value."""

    operand: Node
    field: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or operator; the target of a method is the first argument."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a list, or the keys and values of a map."""

    elements: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Loop:
    """A comprehension: the form of all(), exists(), map() and filter() in the tree."""

    variable: str
    over: Node
    accumulator: str
    start: Node
    condition: Node
    step: Node
    result: Node


Node = Constant | Identifier | Select | Call | Elements | Loop

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_ANY_VALUE: Final = 2
_EXPRESSION: Final = 4


def read_syntax(serialized: bytes) -> Node:
    """Return the tree of `Expression.serialize()`. Raises ValueError for anything else."""
    checked = _only(dict(_fields(serialized)), _ANY_VALUE)
    return _node(_only(dict(_fields(checked)), _EXPRESSION))


def _node(data: bytes) -> Node:
    for number, value in _fields(data):
        if reader := _READERS.get(number):
            return reader(_message(value))
    raise ValueError("an expression has no kind")


def _constant(data: bytes) -> Node:
    for number, value in _fields(data):
        if number == 6 and isinstance(value, bytes):
            return Constant(value.decode())
        if number == 7 and isinstance(value, bytes):
            return Constant(value.decode("latin-1"))
        if number == 3 and isinstance(value, int):
            return Constant(None, value - (1 << 64) if value >> 63 else value)
    return Constant(None)


def _name(data: bytes) -> Node:
    return Identifier(_text(dict(_fields(data)), 1))


def _select(data: bytes) -> Node:
    fields = dict(_fields(data))
    return Select(_node(_only(fields, 1)), _text(fields, 2))


def _call(data: bytes) -> Node:
    fields = list(_fields(data))
    target = [value for number, value in fields if number == 1]
    arguments = [value for number, value in fields if number == 3]
    nodes = tuple(_node(_message(value)) for value in [*target, *arguments])
    return Call(_text(dict(fields), 2), nodes)


def _list(data: bytes) -> Node:
    return Elements(tuple(_node(_message(value)) for number, value in _fields(data) if number == 1))


def _map(data: bytes) -> Node:
    entries = [_message(value) for number, value in _fields(data) if number == 2]
    parts = [value for entry in entries for number, value in _fields(entry) if number in {3, 4}]
    return Elements(tuple(_node(_message(value)) for value in parts))


def _loop(data: bytes) -> Node:
    fields = dict(_fields(data))
    over, start, condition, step, result = (_node(_only(fields, number)) for number in (2, 4, 5, 6, 7))
    return Loop(_text(fields, 1), over, _text(fields, 3), start, condition, step, result)


_READERS: Final[dict[int, Callable[[bytes], Node]]] = {
    3: _constant,
    4: _name,
    5: _select,
    6: _call,
    7: _list,
    8: _map,
    9: _loop,
}


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field of a message."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(data, position)
        elif kind in {_FIXED32, _FIXED64}:
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError("a field has an unknown wire type")
        if position + length > len(data):
            raise ValueError("a field is cut off")
        yield number, data[position : position + length]
        position += length


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            break
        octet = data[position]
        position += 1
        value |= (octet & 0x7F) << shift
        if not octet & 0x80:
            return value, position
    raise ValueError("a number is cut off or too long")


def _message(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a message was expected")
    return value


def _only(fields: dict[int, int | bytes], number: int) -> bytes:
    # An empty message is left out by some encoders; none of ours can be empty.
    if number not in fields:
        raise ValueError(f"field {number} is missing")
    return _message(fields[number])


def _text(fields: dict[int, int | bytes], number: int) -> str:
    return _message(fields.get(number, b"")).decode()
