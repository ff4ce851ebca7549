"""Rules in the Common Expression Language, compiled once and evaluated within bounds.

Google's C++ engine evaluates them. It returns errors as values, and those are true in Python: so only the
bool True counts as true here. Rules that could take long are refused before they run (`cost`). Sources: the
CEL specification (https://github.com/google/cel-spec); approver-policy's variables and functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

from issuer.policy.cel.cost import Size, TooComplex, worst_case
from issuer.policy.cel.syntax import Call, Constant, Elements, Identifier, Loop, Node, Select, read_syntax
from issuer.policy.shown import shown

MAX_RULE_BYTES: Final = 4096
"""Longest rule. Its parsing takes about a microsecond a byte."""
MAX_VALUE_BYTES: Final = 2048
"""Longest value that rules are asked about: a SPIFFE ID has at most 2,048 bytes, a DNS name 253."""
MAX_GROUPS: Final = 500
MAX_GROUP_BYTES: Final = 16 * 1024
"""Most groups, and all their bytes together, that a rule may see."""
MAX_NAME_BYTES: Final = 253
MAX_USERNAME_BYTES: Final = 1024
STEP: Final = 20_000_000
"""Nanoseconds after which everybody else on the event loop gets a turn, at worst; see `evaluation`."""
RULE_LIMIT: Final = STEP
"""Nanoseconds that one evaluation may take at worst: nothing interrupts it. A rule that would take longer for
a value of 256 bytes is refused; one that would for a longer value is not asked about such values."""
POLICY_LIMIT: Final = 500_000_000
"""Nanoseconds that the patterns and rules of one policy may take for one request, at worst. Estimates are
about five times what is then measured."""

_CACHED: Final = 1024
_VARIABLES: Final = frozenset({"self", "cr.name", "cr.namespace", "cr.username", "cr.groups"})
_EMPTY: Final = {
    "cr.name": "cr.name is empty",
    "cr.namespace": (
        "cr.namespace is empty: the request, a CertificateSigningRequest for a cluster issuer, is in no "
        "namespace. Give such requests a policy whose rules do without it"
    ),
    "cr.username": "cr.username is empty: cert-manager's webhook has not stamped the request",
}
_USUAL: Final = 256
_LENGTHS: Final = (32, 64, 128, _USUAL, 512, 1024, MAX_VALUE_BYTES)
_ACCOUNT: Final = "system:serviceaccount:"
_LABEL: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")


class RuleError(ValueError):
    """A rule that can't be used. The message says why, on one line."""


@dataclass(slots=True)
class Variables:
    """The request's values that rules see beside `self`, and the time left for the policy at work, in
    nanoseconds. `step` is what is left of that until others get their turn."""

    name: str
    namespace: str
    username: str
    groups: tuple[str, ...]
    left: int = POLICY_LIMIT
    step: int = STEP
    values: dict[str, Any] = field(init=False)
    empty: frozenset[str] = field(init=False)
    """Variables without a value: with one of these, a rule such as `self.endsWith(cr.namespace)` would hold
    for any text."""
    beyond: frozenset[str] = field(init=False)
    """Variables that are longer than rules are prepared for."""

    def begin_policy(self) -> None:
        """Give the next policy its time."""
        self.left = POLICY_LIMIT

    def spend(self, cost: int) -> None:
        """Take so many nanoseconds off."""
        self.left -= cost
        self.step -= cost

    def is_due(self, cost: int) -> bool:
        """Return True if others are to have a turn before work of that cost; their turn begins a new step."""
        if cost <= self.step:
            return False
        self.step = STEP
        return True

    def __post_init__(self) -> None:
        self.values = {
            "self": "",
            "cr.name": self.name,
            "cr.namespace": self.namespace,
            "cr.username": self.username,
            "cr.groups": list(self.groups),
        }
        self.empty = frozenset(name for name in _EMPTY if not self.values[name])
        sizes = [len(group.encode()) for group in self.groups]
        long = {
            "cr.name": len(self.name.encode()) > MAX_NAME_BYTES,
            "cr.namespace": len(self.namespace.encode()) > MAX_NAME_BYTES,
            "cr.username": len(self.username.encode()) > MAX_USERNAME_BYTES,
            "cr.groups": len(sizes) > MAX_GROUPS
            or sum(sizes) > MAX_GROUP_BYTES
            or max(sizes, default=0) > MAX_USERNAME_BYTES,
        }
        self.beyond = frozenset(name for name, is_long in long.items() if is_long)


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled rule. `costs` are the nanoseconds it can take by the value's length (see `_LENGTHS`)."""

    text: str
    _expression: Any = field(repr=False)
    _uses: frozenset[str]
    costs: tuple[int, ...]

    def cost(self, value: str) -> int:
        """Return the nanoseconds that `value` can take; 0 where the rule isn't asked about such a value."""
        length = len(value.encode())
        if length > MAX_VALUE_BYTES:
            return 0
        cost = next(cost for cost, most in zip(self.costs, _LENGTHS, strict=True) if length <= most)
        return cost if cost <= RULE_LIMIT else 0

    def check(self, value: str, variables: Variables) -> bool | str:
        """Return whether the rule holds for `value`, or the reason why that is unknown.

        The reason completes "the rule ...". Time is taken off `variables`.
        """
        length = len(value.encode())
        if length > MAX_VALUE_BYTES:
            return f"is not asked about values longer than {MAX_VALUE_BYTES} bytes"
        if empty := self._uses & variables.empty:
            return f"is not asked, since {_EMPTY[min(empty)]}"
        if too_long := self._uses & variables.beyond:
            return f"is not asked, since {min(too_long)} is longer than rules may see"
        cost = self.cost(value)
        if not cost:
            return f"is not asked about a value of {length} bytes, since it could take too long"
        if cost > variables.left:
            return "is not asked, since the rules of this policy take too long together"
        variables.spend(cost)
        values = variables.values
        values["self"] = value
        try:
            answer = self._expression.eval(data={name: values[name] for name in self._uses}).value()
        except RuntimeError as error:
            return f"failed: {shown(str(error))}"
        # Errors come as values, and true ones.
        return answer if isinstance(answer, bool) else f"failed: {shown(str(answer))}"


@lru_cache(maxsize=_CACHED)
def compile_rule(text: str) -> Program:
    """Compile a rule. Raises RuleError for what is wrong with it."""
    if len(text.encode()) > MAX_RULE_BYTES:
        raise RuleError(f"the rule is longer than {MAX_RULE_BYTES} bytes")
    try:
        expression = _environment().compile(text)
        syntax = read_syntax(expression.serialize())
    except (RuntimeError, ValueError) as error:
        raise RuleError(f"the rule doesn't compile: {_first_line(str(error))}") from error
    if expression.return_type() != cel.Type.BOOL:
        raise RuleError("the rule must be true or false; compare with == or call a test such as endsWith()")
    costs = _costs(syntax)
    _check_patterns(syntax)
    return Program(text, expression, frozenset(_names(syntax)) & _VARIABLES, costs)


def _costs(syntax: Node) -> tuple[int, ...]:
    account = Size.strings(MAX_GROUPS, MAX_USERNAME_BYTES, MAX_GROUP_BYTES)
    fixed = {
        # In a pattern a name is letters, digits, '-' and '.': the last is the most that it can say.
        "cr.name": Size.string(MAX_NAME_BYTES, "." * MAX_NAME_BYTES),
        "cr.namespace": Size.string(MAX_NAME_BYTES, "." * 63),
        "cr.username": Size.string(MAX_USERNAME_BYTES),
        "cr.groups": account,
    }
    try:
        costs = tuple(worst_case(syntax, {**fixed, "self": Size.string(length)}) for length in _LENGTHS)
    except TooComplex as error:
        raise RuleError(f"the rule {error}") from error
    usual = costs[_LENGTHS.index(_USUAL)]
    if usual > RULE_LIMIT:
        raise RuleError(
            f"the rule could take {usual // 1_000_000} ms for one value of {_USUAL} bytes, more than the "
            f"{RULE_LIMIT // 1_000_000} ms allowed; leave out loops in loops and what lengthens text "
            "(replace, join, format, +) in them, or make patterns shorter"
        )
    return costs


def _check_patterns(syntax: Node) -> None:
    """Check literal patterns now: the engine would only when it evaluates them. Raises RuleError."""
    for node in _walk(syntax):
        if not isinstance(node, Call) or node.function != "matches":
            continue
        pattern = node.arguments[-1]
        if isinstance(pattern, Constant) and pattern.text is not None:
            answer = _matcher().eval(data={"self": "", "cr.name": pattern.text}).value()
            if not isinstance(answer, bool):
                raise RuleError(f"the rule has a bad pattern: {shown(str(answer))}")


def _names(syntax: Node) -> Iterator[str]:
    for node in _walk(syntax):
        if isinstance(node, Identifier):
            yield node.name
        elif isinstance(node, Select) and node.operand == Identifier("cr"):
            yield f"cr.{node.field}"


def _walk(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Select():
            parts: tuple[Node, ...] = (node.operand,)
        case Call():
            parts = node.arguments
        case Elements():
            parts = node.elements
        case Loop():
            parts = (node.over, node.start, node.condition, node.step, node.result)
        case _:
            parts = ()
    for part in parts:
        yield from _walk(part)


def _first_line(text: str) -> str:
    """Return the engine's first complaint, without its drawing of the place."""
    line = text.splitlines()[0] if text else "no reason was given"
    return line.removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").removeprefix("<input>:")[:300]


@lru_cache(maxsize=1)
def _matcher() -> Any:
    return _environment().compile("self.matches(cr.name)")


@lru_cache(maxsize=1)
def _environment() -> Any:
    kinds = cel.Type
    account = kinds.Map(kinds.STRING, kinds.STRING)
    variables = {
        "self": kinds.STRING,
        "cr.name": kinds.STRING,
        "cr.namespace": kinds.STRING,
        "cr.username": kinds.STRING,
        "cr.groups": kinds.List(kinds.STRING),
    }

    def function(name: str, takes: Any, gives: Any, call: Any, *, member: bool = False) -> Any:
        overload = cel.Overload(
            f"{name}_of_{takes.name()}", return_type=gives, parameters=[takes], is_member=member, impl=call
        )
        return cel.FunctionDecl(name, [overload])

    functions = [
        function("serviceAccount", kinds.STRING, account, _service_account),
        function("isServiceAccount", kinds.STRING, kinds.BOOL, _is_service_account),
        function("getName", account, kinds.STRING, lambda value: value["name"], member=True),
        function("getNamespace", account, kinds.STRING, lambda value: value["namespace"], member=True),
    ]
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()], functions=functions)


def _split(username: str) -> tuple[str, str] | None:
    """Namespace and name of a service account's username (Kubernetes: SplitUsername), or None."""
    parts = username.removeprefix(_ACCOUNT).split(":") if username.startswith(_ACCOUNT) else []
    if len(parts) != 2 or not _LABEL.fullmatch(parts[0]):
        return None
    return (parts[0], parts[1]) if len(parts[1]) <= 253 and _SUBDOMAIN.fullmatch(parts[1]) else None


def _is_service_account(username: str) -> bool:
    return _split(username) is not None


def _service_account(username: str) -> dict[str, str]:
    found = _split(username)
    if found is None:
        raise ValueError("not the username of a service account")
    return {"namespace": found[0], "name": found[1]}
