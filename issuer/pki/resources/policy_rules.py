"""Rules of a policy's text, and the capabilities that they give a token on a path. Pure.

Source: https://developer.hashicorp.com/vault/docs/concepts/policies (syntax, and "priority matching").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from issuer.text import parse_json

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|\#[^\n]*|//[^\n]*|/\*.*?\*/)"""
    r"""|(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z_][\w.-]*|-?\d[\w.]*)|(?P<mark>[{}\[\]=,:])""",
    re.DOTALL,
)
_OLD_WORDS: Final[Mapping[str, frozenset[str]]] = {
    "deny": frozenset({"deny"}),
    "read": frozenset({"read", "list"}),
    "write": frozenset({"create", "read", "update", "delete", "list"}),
    "sudo": frozenset({"create", "read", "update", "delete", "list", "sudo"}),
}
"""Capabilities of the old field `policy`."""


class UnreadableRules(ValueError):
    """A policy's text isn't in Vault's language as far as it is read here."""


@dataclass(frozen=True, slots=True)
class PolicyRule:
    """One path of a policy. `is_conditional` if parameters or wrapping limit it further."""

    path: str
    capabilities: frozenset[str]
    is_conditional: bool = False

    @property
    def is_templated(self) -> bool:
        """True if the path depends on who holds the token."""
        return "{{" in self.path

    def matches(self, path: str) -> bool:
        """Return True if the rule covers a path: `+` is one segment, `*` at the end is anything."""
        whole = re.escape(self.path).replace(r"\+", "+")
        segments = ["[^/]+" if part == "+" else part for part in whole.split("/")]
        pattern = "/".join(segments)
        if self.path.endswith("*"):
            pattern = pattern.removesuffix(r"\*") + ".*"
        return re.fullmatch(pattern, path) is not None

    @property
    def priority(self) -> tuple[int, bool, int, int, str]:
        """Order among rules that cover the same path; the greatest one counts."""
        wild = [self.path.find(mark) for mark in ("+", "*") if mark in self.path]
        segments = self.path.split("/").count("+")
        first = min(wild) if wild else len(self.path) + 1
        return (first, not self.path.endswith("*"), -segments, len(self.path), self.path)


@dataclass(frozen=True, slots=True)
class PolicyRules:
    """The rules of one policy."""

    rules: tuple[PolicyRule, ...]

    def rule_for(self, path: str) -> PolicyRule | None:
        """Return the rule that counts for a path. A list may be written without its slash at the end."""
        exact = [one for one in self.rules if one.path == path]
        if exact:
            return exact[0]
        if path.endswith("/"):
            plain = [one for one in self.rules if one.path == path.removesuffix("/")]
            if plain:
                return plain[0]
        covering = [one for one in self.rules if _is_wild(one.path) and one.matches(path)]
        return max(covering, key=lambda one: one.priority, default=None)

    def capabilities(self, path: str) -> frozenset[str]:
        """Return what a token with this policy alone may do on a path; nothing where it is denied."""
        rule = self.rule_for(path)
        if rule is None or "deny" in rule.capabilities:
            return frozenset()
        return rule.capabilities


def rules_of(text: str) -> PolicyRules:
    """Return the rules of a policy in HCL or JSON. Raises UnreadableRules."""
    found: dict[str, PolicyRule] = {}
    for path, fields in _json_rules(text) if text.lstrip().startswith("{") else _hcl_rules(text):
        rule = _rule(path.removeprefix("/"), fields)
        before = found.get(rule.path)
        found[rule.path] = rule if before is None else _merged(before, rule)
    return PolicyRules(tuple(found.values()))


def _is_wild(path: str) -> bool:
    return path.endswith("*") or "+" in path.split("/")


def _merged(one: PolicyRule, other: PolicyRule) -> PolicyRule:
    capabilities = one.capabilities | other.capabilities
    if "deny" in capabilities:
        capabilities = frozenset({"deny"})
    return PolicyRule(one.path, capabilities, one.is_conditional or other.is_conditional)


def _rule(path: str, fields: Mapping[str, Any]) -> PolicyRule:
    capabilities = fields.get("capabilities") or ()
    if not isinstance(capabilities, (list, tuple)) or not all(isinstance(one, str) for one in capabilities):
        raise UnreadableRules(f"the capabilities of {path} are no list of words")
    old = _OLD_WORDS.get(str(fields.get("policy", "")), frozenset())
    return PolicyRule(path, frozenset(capabilities) | old, bool(set(fields) - {"capabilities", "policy"}))


def _json_rules(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        paths = parse_json(text).get("path") or {}
        for path, fields in paths.items():
            yield path, dict(fields)
    except (ValueError, AttributeError, TypeError) as error:
        raise UnreadableRules("it is no JSON with path and capabilities") from error


def _hcl_rules(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    reader = _HCL(text)
    while not reader.at_end:
        key = reader.take()
        if reader.peek() == "=":  # name = "..." of old files
            reader.take()
            reader.value()
            continue
        path = reader.text()
        if key not in ("path", '"path"'):
            raise UnreadableRules(f"{key} is not path")
        yield path, reader.block()


class _HCL:
    """Reads the part of HCL that policies use: blocks, texts, numbers, lists and maps."""

    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        self._at = 0
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise UnreadableRules(f"{text[position : position + 20]!r} can't be read")
            if match.lastgroup != "space":
                self._tokens.append(match[0])
            position = match.end()

    @property
    def at_end(self) -> bool:
        """True after the last word."""
        return self._at >= len(self._tokens)

    def peek(self) -> str:
        """Return the next token, "" at the end."""
        return "" if self.at_end else self._tokens[self._at]

    def take(self) -> str:
        """Return the next word and go on."""
        word = self.peek()
        if not word:
            raise UnreadableRules("it ends too early")
        self._at += 1
        return word

    def text(self) -> str:
        """Return the next word, which must be a text."""
        word = self.take()
        if not word.startswith('"'):
            raise UnreadableRules(f"{word} stands where a text must be")
        try:
            return str(parse_json(word))
        except ValueError as error:
            raise UnreadableRules(f"{word} can't be read") from error

    def value(self) -> Any:
        """Return the next value."""
        word = self.peek()
        if word == "{":
            return self.block()
        if word != "[":
            return self.text() if word.startswith('"') else self.take()
        self.take()
        values: list[Any] = []
        while self.peek() != "]":
            values.append(self.value())
            if self.peek() == ",":
                self.take()
        self.take()
        return values

    def block(self) -> dict[str, Any]:
        """Return the fields of the next block."""
        if self.take() != "{":
            raise UnreadableRules("a brace is missing")
        fields: dict[str, Any] = {}
        while self.peek() != "}":
            key = self.text() if self.peek().startswith('"') else self.take()
            if self.peek() in ("=", ":"):
                self.take()
            fields[key] = self.value()
            if self.peek() == ",":
                self.take()
        self.take()
        return fields
