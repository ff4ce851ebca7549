"""A policy's selectors: the issuers and namespaces whose requests it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from issuer.policy.compiled import CompiledPolicy, compile_policy
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.policy.patterns.wildcard import Pattern
from issuer.policy.shown import shown, shown_list

# cert-manager's defaults, which it doesn't write into requests.
_DEFAULT_KIND: Final = "Issuer"
_DEFAULT_GROUP: Final = "cert-manager.io"


class Exclusion(StrEnum):
    """Reason for which a policy does not apply to a request."""

    SELECTOR = "selector"
    NAMESPACE = "namespace"
    RBAC = "rbac"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class SelectorMismatch:
    """The selector that doesn't match, and why."""

    kind: Exclusion
    message: str


def selector_mismatch(
    policy: CompiledPolicy,
    request: RequestFacts | IssuerReference,
    namespace: str,
    labels: Mapping[str, str] | None,
) -> SelectorMismatch | None:
    """Return why `policy` is not about a request in `namespace`, or None if it is.

    `labels` are the namespace's; None if they are not known, and then a policy that selects by labels doesn't
    match.
    """
    reference = request if isinstance(request, IssuerReference) else request.issuer
    return _issuer_mismatch(policy, reference) or _namespace_mismatch(policy, namespace, labels)


def selects(policy: CompiledPolicy, reference: IssuerReference) -> bool:
    """Return True if the policy's selector names this issuer, whatever the namespace."""
    return _mismatched(policy, reference) is None


def selector_alone(name: str, spec: Mapping[str, Any]) -> CompiledPolicy | None:
    """Return a policy that can't be used with its selector alone; None if that can't be read either."""
    try:
        return compile_policy(name, {"selector": spec.get("selector")})
    except Exception:  # noqa: BLE001 - PolicyInvalid, or an error that was reported where the whole policy met it
        return None


def selects_namespace(policy: CompiledPolicy, namespace: str, labels: Mapping[str, str]) -> bool:
    """Return True if the policy's selector names this namespace, whatever the issuer."""
    return _namespace_mismatch(policy, namespace, labels) is None


def _issuer_mismatch(policy: CompiledPolicy, reference: IssuerReference) -> SelectorMismatch | None:
    found = _mismatched(policy, reference)
    if found is None:
        return None
    field, pattern, value = found
    return SelectorMismatch(
        Exclusion.SELECTOR,
        f"spec.selector.issuerRef.{field} is {shown(pattern.text)}, the request's is {shown(value)}",
    )


def _mismatched(policy: CompiledPolicy, reference: IssuerReference) -> tuple[str, Pattern, str] | None:
    """Return the first field that doesn't match, with its pattern and value. All policies are compared with
    all issuers so, and the words for it would take ten times as long."""
    for field, pattern in policy.selector.issuer:
        value = _value(reference, field)
        if not pattern.matches(value):
            return field, pattern, value
    return None


def _value(reference: IssuerReference, field: str) -> str:
    if field == "name":
        return reference.name
    return (reference.kind or _DEFAULT_KIND) if field == "kind" else (reference.group or _DEFAULT_GROUP)


def _namespace_mismatch(
    policy: CompiledPolicy, namespace: str, labels: Mapping[str, str] | None
) -> SelectorMismatch | None:
    selector = policy.selector
    if selector.namespaces is not None and not selector.namespaces.match(namespace):
        return SelectorMismatch(
            Exclusion.NAMESPACE,
            f"spec.selector.namespace.matchNames is {shown_list(selector.namespaces.texts)}, "
            f"the request's namespace is {shown(namespace)}",
        )
    for key, value in selector.labels:
        if labels is None or labels.get(key) != value:
            has = "its labels are not known" if labels is None else _label(labels.get(key))
            return SelectorMismatch(
                Exclusion.NAMESPACE,
                f"spec.selector.namespace.matchLabels wants {shown(key)}={shown(value)} on the namespace "
                f"{shown(namespace)}; {has}",
            )
    return None


def _label(value: str | None) -> str:
    return "it lacks the label" if value is None else f"it has {shown(value)}"
