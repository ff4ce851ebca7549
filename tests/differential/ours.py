"""Asks our own evaluator about a case, as the controller does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from issuer.duration import parse_duration
from issuer.policy import decision
from issuer.policy.compiled import CompiledPolicy, compile_policy
from issuer.policy.decision import Decision
from issuer.policy.facts import IssuerReference, RequestFacts
from issuer.x509.request import decode_request
from tests.differential.cases import Case


def facts(request: Mapping[str, Any]) -> RequestFacts:
    """What a CertificateRequest's JSON tells an evaluator."""
    spec, meta = request["spec"], request["metadata"]
    reference = spec["issuerRef"]
    return RequestFacts(
        name=meta["name"],
        namespace=meta["namespace"],
        username=spec.get("username", ""),
        groups=tuple(spec.get("groups", ())),
        issuer=IssuerReference(reference["name"], reference.get("kind", ""), reference.get("group", "")),
        csr=decode_request(spec["request"]),
        duration=parse_duration(spec["duration"]) if "duration" in spec else None,
        usages=tuple(spec.get("usages", ())),
        is_ca=bool(spec.get("isCA", False)),
    )


def decide(
    case: Case, compile_spec: Callable[[str, Mapping[str, Any]], CompiledPolicy] = compile_policy
) -> Decision:
    """Our decision, RBAC asked one policy at a time and no more often than needed."""
    policies = [compile_spec(name, spec) for name, spec in case.policies.items()]
    # Looked up at the call, so that a test that seeds a mistake into the module is what is asked.
    evaluation = decision.evaluate(policies, {}, facts(case.request), case.labels)
    answers: dict[str, bool] = {}
    for name in evaluation.to_ask:
        if evaluation.decide(answers) is not None:
            break
        answers[name] = case.may_use[name]
    found = evaluation.decide(answers)
    assert found is not None, "every policy was asked about, and still nothing was decided"
    return found


def fields(found: Decision) -> dict[str, frozenset[str]]:
    """Field paths by applicable policy."""
    return {
        result.name: frozenset(violation.field for violation in result.violations)
        for result in found.results
        if result.applies
    }
