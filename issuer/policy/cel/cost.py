"""Bounds of the time that a rule can take, found from its syntax before it runs.

The engine bounds loops (10,000 turns in all) but not the size of values made on the way: a chain of
`replace('a', 'aaaaaaaaaa')` makes ten times as much at each step, `map(x, [x, x])` twice as much to compare.
So each part of a rule gets a bound of the size it can have, and from that of the time it can take, the way
Kubernetes estimates rules in CRDs. Times are nanoseconds, measured with Google's engine on one core and
rounded up: real ones are mostly a fifth of the estimate, and none took longer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from issuer.policy.cel.regex import weigh
from issuer.policy.cel.syntax import Call, Constant, Elements, Identifier, Loop, Node, Select

TURNS: Final = 10_000
"""Turns of all loops together after which the engine gives up."""

_START: Final = 20_000
_NODE: Final = 60
_TURN: Final = 250
_PIECE: Final = 400
_COPIED_ELEMENT: Final = 60
_BYTE: Final = 2
_WALKED_BYTE: Final = 5
_LISTED_BYTE: Final = 20
_COPIED_BYTE: Final = 10
_REPLACED: Final = 60
_CALLBACK: Final = 5_000
_PATTERN: Final = 3_000
_COMPILED_INSTRUCTION: Final = 130
_RUN_BYTE: Final = 30
_RUN_HEAVY_BYTE: Final = 80
_HEAVY: Final = 100
"""Instructions that one character can meet: with more, RE2's automaton has no room for its states."""
_SCALAR: Final = 8
_FORMATTED: Final = 1_100  # %.1000f, the longest that format() writes of one number

_CHEAP: Final = frozenset(
    {
        *("_&&_", "_||_", "!_", "-_", "_-_", "_*_", "_/_", "_%_", "@not_strictly_false", "type"),
        *("bool", "int", "uint", "double", "duration", "timestamp"),
        *("getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear"),
        *("getHours", "getMinutes", "getSeconds", "getMilliseconds"),
    }
)
_COMPARISONS: Final = frozenset(
    {"size", "startsWith", "endsWith", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"}
)
_SAME_SIZE: Final = frozenset({"lowerAscii", "upperAscii", "trim", "reverse", "substring", "bytes", "dyn"})
_SEARCHES: Final = frozenset({"contains", "indexOf", "lastIndexOf"})
_CALLBACKS: Final = frozenset({"serviceAccount", "isServiceAccount", "getName", "getNamespace"})

_TYPES: Final = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"}
)


class TooComplex(ValueError):
    """A rule whose time can't be bounded. The message completes "the rule ..."."""


@dataclass(frozen=True, slots=True)
class Size:
    """A bound of a value's size.

    `most` is bytes, of lists those of all elements. `mean` is the bytes of an average element of the list
    that the value was taken from, so that turns times `mean` bounds all that a loop reads. `count` is
    elements or bytes. `text` is for regular expressions: a text as long and as complex as the value can be,
    if it holds nothing of the requester's.
    """

    most: int
    mean: int
    count: int
    element: Size | None = None
    text: str | None = None

    @classmethod
    def string(cls, most: int, text: str | None = None) -> Size:
        """Return the size of a text of at most that many bytes."""
        return cls(most, most, most, None, text)

    @classmethod
    def strings(cls, count: int, most: int, total: int) -> Size:
        """Return the size of a list of texts: its elements, bytes of each, and bytes of all."""
        return cls(total + count, total + count, count, cls.string(most))

    def each(self) -> Size:
        """Return the size of one element."""
        if self.element is None:
            return self
        return replace(self.element, mean=-(-self.mean // max(self.count, 1)))


_NUMBER: Final = Size(_SCALAR, _SCALAR, 0)
_EMPTY: Final = Size(0, 0, 0)


def worst_case(node: Node, variables: Mapping[str, Size]) -> int:
    """Return the most nanoseconds that evaluating `node` can take. Raises TooComplex."""
    estimate = _Estimate()
    estimate.visit(node, variables, 1)
    return estimate.cost


class _Estimate:
    """Adds up what the parts of a tree cost; `times` is how often a part can be evaluated."""

    def __init__(self) -> None:
        self.cost = _START

    def visit(self, node: Node, names: Mapping[str, Size], times: int) -> Size:
        self.cost += times * _NODE
        match node:
            case Constant():
                return _NUMBER if node.text is None else _constant(node.text)
            case Identifier():
                return _known(names, node.name)
            case Select(Identifier("cr"), field):
                return _known(names, f"cr.{field}")
            case Select():
                return self.visit(node.operand, names, times).each()
            case Elements():
                return _listed([self.visit(element, names, times) for element in node.elements])
            case Loop():
                return self._loop(node, names, times)
            case Call():
                return self._call(node, [self.visit(part, names, times) for part in node.arguments], times)

    def _loop(self, node: Loop, names: Mapping[str, Size], times: int) -> Size:
        over = self.visit(node.over, names, times)
        start = self.visit(node.start, names, times)
        turns = min(over.count, TURNS)
        inner = min(times * turns, TURNS)
        self.cost += inner * _TURN
        within = {**names, node.variable: over.each(), node.accumulator: start}
        self.visit(node.condition, within, inner)
        step = self.visit(node.step, within, inner)
        gathered = step
        if step.element is not None:
            bytes_ = start.mean + turns * max(step.mean - start.mean, 0)
            count = start.count + turns * max(step.count - start.count, 0)
            gathered = Size(bytes_, bytes_, count, step.element)
            # The engine copies the list at each turn: 512 elements take 3 ms, 2,048 take 90.
            self.cost += inner * (count // 2) * _COPIED_ELEMENT
        return self.visit(node.result, {**names, node.accumulator: gathered}, times)

    def _call(self, node: Call, sizes: list[Size], times: int) -> Size:
        name = node.function
        if name in _CHEAP:
            return _NUMBER
        if name in _COMPARISONS:
            byte = _BYTE if sizes[0].element is None else _LISTED_BYTE
            self.cost += times * byte * min(size.mean for size in sizes)
            return _NUMBER
        if name in _SEARCHES:
            self.cost += times * (_WALKED_BYTE * sizes[0].mean + sizes[0].mean * sizes[1].mean // 8)
            return _NUMBER
        if name in _CALLBACKS:
            self.cost += times * _CALLBACK
            return Size.strings(2, 253, 506) if name == "serviceAccount" else Size.string(253)
        if name in _SAME_SIZE:
            self.cost += times * _WALKED_BYTE * sizes[0].mean
            return replace(sizes[0], text=None)
        if name == "charAt":
            return Size.string(4)
        if special := _SPECIAL.get(name):
            cost, size = special(node, sizes)
            self.cost += times * cost
            return size
        raise TooComplex(f"uses {name}(), which is not among the functions rules may use")


def _known(names: Mapping[str, Size], name: str) -> Size:
    if name in _TYPES:
        return _NUMBER
    if name not in names:
        raise TooComplex(f"uses {name} in a way that can't be followed")
    return names[name]


def _constant(text: str) -> Size:
    return Size.string(len(text.encode()), text)


def _larger(one: Size, other: Size) -> Size:
    """Return a size that bounds both."""
    element = one.element if other.element is None else other.element
    if one.element is not None and other.element is not None:
        element = _larger(one.element, other.element)
    return Size(
        max(one.most, other.most),
        max(one.mean, other.mean),
        max(one.count, other.count),
        element,
        one.text if one.text == other.text else None,
    )


def _listed(sizes: list[Size]) -> Size:
    element = sizes[0] if sizes else _EMPTY
    for size in sizes[1:]:
        element = _larger(element, size)
    count = len(sizes)
    return Size(
        sum(size.most for size in sizes) + count,
        sum(size.mean for size in sizes) + count,
        count,
        replace(element, text=None),
    )


def _plus(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    one, other = sizes
    sum_ = Size(one.most + other.most, one.mean + other.mean, one.count + other.count)
    if one.element is not None and other.element is not None:
        return _NODE, replace(sum_, element=_larger(one.element, other.element))
    text = one.text + other.text if one.text is not None and other.text is not None else None
    return _BYTE * sum_.mean, replace(sum_, text=text)


def _choice(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    return 0, _larger(sizes[1], sizes[2])


def _index(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    return _BYTE * sizes[1].mean, replace(sizes[0].element or sizes[0], text=None)


def _in(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    return _NODE * sizes[1].count + _BYTE * (sizes[1].mean + sizes[0].mean), _NUMBER


def _string(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    # Numbers and times as text are longer than they are; 400 holds the longest.
    return _COPIED_BYTE * sizes[0].mean, Size.string(max(sizes[0].most, 400))


def _quote(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    return _COPIED_BYTE * 6 * sizes[0].mean, Size.string(6 * sizes[0].most + 2)


def _split(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    text = sizes[0]
    separator = _length(node)
    pieces = text.most // separator + 1 if separator else text.most + 1
    mean = text.mean // separator + 1 if separator else text.mean + 1
    return _PIECE * mean + _BYTE * text.mean, Size.strings(pieces, text.most, text.most)


def _join(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    separator = sizes[1].most if len(sizes) > 1 else 0
    most = sizes[0].most + sizes[0].count * separator
    return _COPIED_BYTE * most, Size.string(most)


def _replace(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    text, by = sizes[0], sizes[2].most
    found = _length(node)
    places = text.most // found if found else text.most + 1
    most = text.most + places * by
    mean = text.mean + (text.mean // found if found else text.mean + 1) * by
    return _COPIED_BYTE * mean + _REPLACED * (text.mean + 1), Size(most, mean, most)


def _format(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    most = sizes[0].most + 8 * sizes[1].most + _FORMATTED * (sizes[1].count + 1)
    return _COPIED_BYTE * most, Size.string(most)


def _matches(node: Call, sizes: list[Size]) -> tuple[int, Size]:
    text, pattern = sizes
    if pattern.text is None:
        raise TooComplex(
            "calls matches() with a pattern that is not made of literals, cr.name and cr.namespace alone; "
            "what a requester chooses must not become a pattern"
        )
    weight = weigh(pattern.text)
    compiling = _PATTERN + weight.compiled * _COMPILED_INSTRUCTION
    byte = _RUN_BYTE if weight.running <= _HEAVY else _RUN_HEAVY_BYTE
    return compiling + weight.running * byte * text.mean, _NUMBER


def _length(node: Call) -> int:
    """Return the length of the second argument if it is a literal, else 0."""
    argument = node.arguments[1]
    return len(argument.text.encode()) if isinstance(argument, Constant) and argument.text else 0


_SPECIAL: Final[dict[str, Callable[[Call, list[Size]], tuple[int, Size]]]] = {
    "_+_": _plus,
    "_?_:_": _choice,
    "_[_]": _index,
    "@in": _in,
    "string": _string,
    "strings.quote": _quote,
    "split": _split,
    "join": _join,
    "replace": _replace,
    "format": _format,
    "matches": _matches,
}
