"""Paths of the file's PKI mounts, what a policy means on each of them, and what a token differs in. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from issuer.pki.file.access import Grants, PolicyText
from issuer.pki.file.model import PkiFile
from issuer.pki.resources.pki_paths import PROTECTED, READABLE, UNPROTECTED
from issuer.pki.resources.policy_rules import PolicyRule, PolicyRules, UnreadableRules, rules_of

OTHER: Final = "other"
"""Name that stands for a role or issuer that the file doesn't have."""
_EXAMPLES: Final[Mapping[str, tuple[str, ...]]] = {
    "acme/*": ("acme/new-eab",),
    "cel/*": ("cel/issue/other", "cel/sign/other", "cel/roles/other"),
    "config/*": tuple(
        f"config/{one}" for one in ("acme", "auto-tidy", "ca", "cluster", "crl", "issuers", "keys", "urls")
    ),
    "eab/*": ("eab/other",),
    "intermediate/*": (
        "intermediate/generate/internal",
        "intermediate/generate/exported",
        "intermediate/set-signed",
        "intermediate/cross-sign",
    ),
    "issuers/generate/*": ("issuers/generate/root/internal", "issuers/generate/intermediate/internal"),
    "issuers/import/*": ("issuers/import/bundle", "issuers/import/cert"),
    "key/*": ("key/default", "key/other"),
    "keys/*": ("keys/generate/internal", "keys/generate/exported", "keys/import"),
    "root/generate/*": ("root/generate/internal", "root/generate/exported", "root/generate/existing"),
    "root/rotate/*": ("root/rotate/internal", "root/rotate/exported"),
}
_ROLE_ENDS: Final = ("issue/*", "sign/*", "sign-verbatim/*", "roles/*", "roles/+")
_WORDS: Final = {"root": frozenset({"create", "read", "update", "delete", "list", "patch", "sudo"})}


@dataclass(frozen=True, slots=True)
class ProbedMount:
    """One PKI mount with names that stand for the `+` and `*` of its paths."""

    path: str
    roles: tuple[str, ...]
    issuers: tuple[str, ...]

    def paths(self) -> list[str]:
        """Return every path of a PKI mount, with these names; a list's path ends with a slash."""
        found: dict[str, None] = {}
        for pattern in (*PROTECTED, *UNPROTECTED, *READABLE):
            for path in self._filled(pattern):
                found[f"{self.path}/{path}"] = None
        for listed in ("certs", "issuers", "keys", "roles"):
            found[f"{self.path}/{listed}/"] = None
        return list(found)

    def _filled(self, pattern: str) -> Iterator[str]:
        if pattern in _EXAMPLES:
            yield from _EXAMPLES[pattern]
            return
        issuers = self.issuers if pattern.startswith("issuer/+") else (OTHER,)
        role_ends = pattern.removeprefix("issuer/+/") in _ROLE_ENDS or pattern.startswith("roles/+")
        roles = self.roles if role_ends else (OTHER,)
        for issuer in issuers:
            start = pattern.replace("issuer/+", f"issuer/{issuer}", 1)
            for role in roles:
                yield start.replace("+", role).replace("*", role)


@dataclass(frozen=True, slots=True)
class PathDifference:
    """One path on which a token may more, or less, than its policy means."""

    path: str
    more: tuple[str, ...]
    less: tuple[str, ...]

    def __str__(self) -> str:
        told = []
        if self.more:
            told.append(f"allows {', '.join(self.more)} on {self.path}, which the file doesn't grant")
        if self.less:
            told.append(f"denies {', '.join(self.less)} on {self.path}, which the file grants")
        return "; ".join(told)


def probed_mounts(file: PkiFile) -> list[ProbedMount]:
    """Return the PKI mounts of the file with the names of their roles and issuers."""
    issuers: dict[str, list[str]] = {}
    for _, name, authority in file.all_authorities():
        issuers.setdefault(authority.mount, []).append(name)
    return [
        ProbedMount(path, (*mount.roles, OTHER), (*issuers.get(path, ()), "default"))
        for _, path, mount in file.all_mounts()
    ]


Meaning = Callable[[str], frozenset[str]]
"""Capabilities that a policy means a token to have on a path."""


def meaning_of(policy: PolicyText) -> Meaning:
    """Return what a policy of the file means on each path.

    Raises UnreadableRules for a text that isn't read here, or that depends on who holds the token.
    """
    if policy.generate is not None:
        return _granted(policy.generate)
    return _written(rules_of(policy.text or ""))


def _granted(grants: Grants) -> Meaning:
    """Return the meaning of grants, told from the grants themselves and not from the rules made of them."""
    verbs: dict[str, frozenset[str]] = {}
    readable = {mount: _reader(mount) for mount in grants.read}
    for granted, verb in ((grants.sign, "sign"), (grants.issue, "issue")):
        for where in granted:
            mount, _, role = where.rpartition("/")
            verbs[f"{mount}/{verb}/{role}"] = frozenset({"update"})
    for mount in grants.revoke:
        verbs[f"{mount}/revoke"] = frozenset({"update"})

    def meant(path: str) -> frozenset[str]:
        if path in verbs:
            return verbs[path]
        if any(_signs_cas(path, mount) for mount in grants.sign_intermediate):
            return frozenset({"update"})
        reading = (
            rules.capabilities(path) for mount, rules in readable.items() if path.startswith(f"{mount}/")
        )
        return next(reading, frozenset())

    return meant


def _signs_cas(path: str, mount: str) -> bool:
    rest = path.removeprefix(f"{mount}/").split("/")
    return rest in (["root", "sign-intermediate"], ["issuer", *rest[1:2], "sign-intermediate"])


def _reader(mount: str) -> PolicyRules:
    return PolicyRules(
        tuple(PolicyRule(f"{mount}/{path}", frozenset(verbs)) for path, verbs in READABLE.items())
    )


def _written(rules: PolicyRules) -> Meaning:
    templated = [one.path for one in rules.rules if one.is_templated]
    if templated:
        raise UnreadableRules(f"{templated[0]} depends on who holds the token")
    return rules.capabilities


def differences(
    meant: Meaning, held: Mapping[str, Sequence[str]], paths: Sequence[str]
) -> Iterator[PathDifference]:
    """Yield the paths on which the capabilities that Vault tells aren't the meant ones."""
    for path in paths:
        told = frozenset(held.get(path, ())) - {"deny"}
        has = _WORDS["root"] if "root" in told else told
        wanted = meant(path)
        if has != wanted:
            yield PathDifference(path, tuple(sorted(has - wanted)), tuple(sorted(wanted - has)))
