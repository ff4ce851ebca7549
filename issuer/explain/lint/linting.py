"""Linter of policies: errors, and what is probably not meant, before a cluster sees them or of one's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from issuer.api.group import (
    API_VERSION,
    GROUP,
    POLICY_KIND,
    POLICY_PLURAL,
)
from issuer.api.model import SpecError
from issuer.explain.lint.patterns import dead_patterns
from issuer.explain.policies import PEER_GROUP, is_policy, problem_lines, unknown_fields
from issuer.manifests.documents import Document, read_tree
from issuer.manifests.errors import BadInput
from issuer.manifests.rbac import bound_groups
from issuer.policy.compiled import CompiledPolicy, PolicyInvalid, compile_policy
from issuer.policy.facts import IssuerReference
from issuer.policy.selection import selects, selects_namespace
from issuer.requests.issuers import BUILT_IN, IssuerKinds


class Severity(StrEnum):
    """Severity of a finding: with an error the policy is not used, a warning may be meant, and to follow
    advice has a price, which it names."""

    ERROR = "error"
    WARNING = "warning"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True)
class LintFinding:
    """One finding about one policy; `field` is empty if it is about the whole."""

    source: str
    policy: str
    level: Severity
    field: str
    message: str

    def to_json(self) -> dict[str, str]:
        """Return the finding as `-o json` prints it."""
        return {
            "source": self.source,
            "policy": self.policy,
            "level": self.level.value,
            "field": self.field,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class LintReport:
    """All findings, and the number of policies that were read."""

    policies: int
    findings: tuple[LintFinding, ...]

    @property
    def errors(self) -> int:
        """Number of errors."""
        return sum(finding.level is Severity.ERROR for finding in self.findings)

    @property
    def warnings(self) -> int:
        """Number of warnings."""
        return sum(finding.level is Severity.WARNING for finding in self.findings)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Objects beside the policies: roles and bindings, and of a cluster its issuers and namespaces.

    `issuers` and `namespaces` (labels by name) are None where they are not known, as for files; `documents`
    are where they may not be read.
    """

    documents: Sequence[Document] | None
    unbound: str
    issuers: Sequence[IssuerReference] | None = None
    namespaces: Mapping[str, Mapping[str, str]] | None = None


_IN_FILES: Final = "none of these files lets anybody use it"
_NO_LIMIT: Final = (
    "is not set, so that the CA alone limits lifetimes. Set it, such as to 2160h, if every Certificate has "
    "spec.duration: those without are denied then"
)
_SOME_NAME: Final = "\N{REPLACEMENT CHARACTER}"
_NAME_FIELDS: Final = ("commonName", "dnsNames", "ipAddresses", "uris", "emailAddresses")
_Said = tuple[Severity, str, str]


def lint(paths: Sequence[str], kinds: IssuerKinds = BUILT_IN) -> LintReport:
    """Check the policies in these files and folders, for issuers of `kinds`. Raises BadInput if none."""
    documents = read_tree(paths)
    policies = [document for document in documents if _looks_like_policy(document)]
    if not policies:
        raise BadInput(f"no {POLICY_KIND} of {GROUP} or {PEER_GROUP} in {', '.join(paths)}")
    return lint_policies(policies, Surroundings(documents, _IN_FILES), kinds)


def lint_policies(policies: Sequence[Document], around: Surroundings, kinds: IssuerKinds) -> LintReport:
    """Check these policies among what surrounds them, for issuers of `kinds`."""
    seen: dict[str, str] = {}
    findings: list[LintFinding] = []
    for policy in policies:
        said = [*_identity(policy, seen), *_spec(policy, around, kinds), *_bindings(policy, around)]
        findings += [LintFinding(policy.source, policy.name or "(no name)", *one) for one in said]
    return LintReport(len(policies), tuple(findings))


def _looks_like_policy(document: Document) -> bool:
    return is_policy(document) or document.kind == POLICY_KIND


def _identity(policy: Document, seen: dict[str, str]) -> Iterator[_Said]:
    if policy.group == PEER_GROUP:
        yield (
            Severity.WARNING,
            "apiVersion",
            f"this is approver-policy's; to move over, write {API_VERSION} here and {GROUP} in its RBAC",
        )
    elif policy.api_version != API_VERSION:
        yield Severity.ERROR, "apiVersion", f"must be {API_VERSION}"
    if not policy.name:
        yield Severity.ERROR, "metadata.name", "is missing"
    elif policy.name in seen:
        yield Severity.ERROR, "metadata.name", f"is also the name of the policy in {seen[policy.name]}"
    else:
        seen[policy.name] = policy.source
    if policy.metadata.get("namespace"):
        yield Severity.WARNING, "metadata.namespace", "does nothing: policies are cluster-scoped"


def _spec(policy: Document, around: Surroundings, kinds: IssuerKinds) -> Iterator[_Said]:
    spec = policy.data.get("spec")
    if not isinstance(spec, dict):
        yield Severity.ERROR, "spec", "is missing, or no object"
        return
    for line in unknown_fields(spec):
        yield Severity.ERROR, *_split(line)
    try:
        compiled = compile_policy(policy.name, spec)
    except (PolicyInvalid, SpecError) as error:
        for line in problem_lines(error):
            yield Severity.ERROR, *_split(line)
        return
    selector = [*_selector(compiled, spec, kinds)] or [*_selects_nothing(compiled, around)]
    for field, message in (*selector, *_allowed(spec), *dead_patterns(_inner(spec, "allowed"))):
        yield Severity.WARNING, field, message
    if compiled.constraints.max_duration is None:
        yield (
            Severity.ADVICE,
            "spec.constraints.maxDuration",
            _NO_LIMIT,
        )


def _selects_nothing(policy: CompiledPolicy, around: Surroundings) -> Iterator[tuple[str, str]]:
    if around.issuers is not None and not any(selects(policy, issuer) for issuer in around.issuers):
        yield "spec.selector.issuerRef", "selects no issuer that exists"
    if around.namespaces is not None and not any(
        selects_namespace(policy, name, labels) for name, labels in around.namespaces.items()
    ):
        yield "spec.selector.namespace", "selects no namespace that exists"


def _selector(
    policy: CompiledPolicy, spec: Mapping[str, Any], kinds: IssuerKinds
) -> Iterator[tuple[str, str]]:
    reference = _inner(spec, "selector", "issuerRef")
    if not any(selects(policy, _issuer(kind.api_kind, kind.group, reference)) for kind in kinds):
        field = "group" if _is_other_group(policy, reference, kinds) else "kind"
        wanted = " or ".join(kinds.groups if field == "group" else (kind.api_kind for kind in kinds))
        yield (
            f"spec.selector.issuerRef.{field}",
            f"matches no issuer of ours: {reference.get(field)!r} is not {wanted}",
        )
    elif not reference:
        yield (
            "spec.selector.issuerRef",
            "selects every issuer there is or will be; name the one that is meant",
        )


def _issuer(kind: str, group: str, reference: Mapping[str, Any]) -> IssuerReference:
    # A pattern matches itself: its * stand for the * of the name.
    return IssuerReference(name=str(reference.get("name") or _SOME_NAME), kind=kind, group=group)


def _is_other_group(policy: CompiledPolicy, reference: Mapping[str, Any], kinds: IssuerKinds) -> bool:
    kind = str(reference.get("kind") or next(iter(kinds)).api_kind)
    group = str(reference.get("group") or "")
    return (
        bool(group)
        and selects(policy, _issuer(kind, group, reference))
        and not any(selects(policy, _issuer(kind, ours, reference)) for ours in kinds.groups)
    )


def _allowed(spec: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    allowed = _inner(spec, "allowed")
    anything = [name for name in _NAME_FIELDS if _any_value(_inner(allowed, name))]
    if anything:
        fields = ", ".join(anything)
        yield "spec.allowed", f"allows any value of {fields} ('*' without validations)"
    if allowed.get("isCA") is True:
        yield "spec.allowed.isCA", "allows CA certificates, which can sign any name"
    if not allowed.get("usages"):
        yield (
            "spec.allowed.usages",
            "is not set: every request that lists usages is denied, also one that lists the default ones",
        )
    for path, field in _value_fields(allowed, "spec.allowed"):
        if field.get("required") is True and _allows_none(field):
            yield path, "is required, but no value is allowed: this policy can never approve"


def _value_fields(part: Mapping[str, Any], path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key, value in part.items():
        if isinstance(value, dict):
            yield f"{path}.{key}", value
            if key == "subject":
                yield from _value_fields(value, f"{path}.{key}")
        elif key in ("otherNames", "otherAttributes") and isinstance(value, list):
            yield from ((f"{path}.{key}[{one.get('oid')}]", one) for one in value if isinstance(one, dict))


def _allows_none(field: Mapping[str, Any]) -> bool:
    if field.get("validations") and field.get("values") is None and field.get("value") is None:
        return False
    return not field.get("values") and not field.get("value")


def _any_value(field: Mapping[str, Any]) -> bool:
    values = field.get("values") or []
    patterns = [*(values if isinstance(values, list) else []), field.get("value")]
    everything = any(isinstance(one, str) and one and not one.strip("*") for one in patterns)
    return everything and not field.get("validations")


def _bindings(policy: Document, around: Surroundings) -> Iterator[_Said]:
    if around.documents is None:
        return
    groups = bound_groups(around.documents, policy.name)
    if groups & {policy.group, "*"}:
        return
    if groups:
        other = ", ".join(sorted(groups))
        message = f"a role grants use of it in the API group {other}, but the policy is of {policy.group}"
    else:
        message = (
            f"{around.unbound}: without a role with the verb use on "
            f"{POLICY_PLURAL} and a binding to the requesters it applies to nobody"
        )
    yield Severity.WARNING, "", message


def _inner(part: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    for key in path:
        found = part.get(key)
        part = found if isinstance(found, dict) else {}
    return part


def _split(line: str) -> tuple[str, str]:
    field, colon, message = line.partition(": ")
    return (field, message) if colon else ("", line)
