"""Advice about a decision: what to change, with the YAML to apply where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from issuer.api.group import API_VERSION, GROUP, POLICY_KIND
from issuer.explain.evaluation import Explanation
from issuer.explain.policies import PEER_GROUP
from issuer.explain.requested import IS_CA
from issuer.explain.snippets import starter_policy, to_allow
from issuer.kube.identity import User
from issuer.manifests.rbac import binding
from issuer.manifests.text import shown, to_yaml
from issuer.policy.decision import PolicyResult, PolicyVerdict
from issuer.policy.evaluation import Violation, defect_violations
from issuer.policy.selection import Exclusion, selector_alone, selects

_FIRST: Final = 3
"""Policies of one kind that get advice; people with fifty policies know which one they mean."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to do. `yaml` is to be applied or merged into a policy, as `text` says; `command` does it.

    `whole` has that YAML as whole objects, for `kubectl apply`; "" where people have to decide first, such as
    on a CA certificate.
    """

    text: str
    yaml: str = ""
    command: str = ""
    whole: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the advice as `-o json` prints it."""
        return {"text": self.text, "yaml": self.yaml, "command": self.command}


def advise(explanation: Explanation) -> tuple[Advice, ...]:
    """Return what would get the request approved; nothing if it is approved."""
    decision = explanation.decision
    if decision.verdict is PolicyVerdict.APPROVED:
        return ()
    return (*_invalid_names(explanation), *_about_policies(explanation))


def _invalid_names(explanation: Explanation) -> Iterator[Advice]:
    """Advise about names that no policy can allow; it is first, also where there are no policies."""
    found = defect_violations(explanation.facts.csr.contents)
    if found:
        problems = shown("; ".join(one.message for one in found), 1000)
        yield Advice(
            f"Change the request first: {problems}. No policy can allow that; the controller refuses it as "
            "InvalidName, whoever approves and whatever policies say."
        )


def _about_policies(explanation: Explanation) -> Iterator[Advice]:
    decision = explanation.decision
    if not decision.results:
        yield _no_policy(explanation)
    elif decision.verdict is PolicyVerdict.DENIED:
        yield from _all_deny(explanation)
    else:
        yield from _nothing_applies(explanation)


def _no_policy(explanation: Explanation) -> Advice:
    where = "was given (see --policies and --cluster)" if explanation.offline else "exists in this cluster"
    if explanation.facts.is_ca:
        return _for_ca(explanation, f"No CertificateRequestPolicy {where}")
    request = explanation.request
    policy = starter_policy(request, explanation.facts)
    documents = (
        policy,
        *binding(policy["metadata"]["name"], request.namespace, explanation.requester),
    )
    return Advice(
        f"No CertificateRequestPolicy {where}, and without one nothing is approved. This policy allows "
        f"exactly this request, and the binding lets {_who(explanation.requester)} use it; widen it to what "
        "you mean, then kubectl apply it:",
        to_yaml(*documents),
        whole=to_yaml(*documents),
    )


def _for_ca(explanation: Explanation, what: str) -> Advice:
    """Advise about a CA certificate that no policy allows: what it means, and a policy for it alone."""
    request = explanation.request
    policy = starter_policy(request, explanation.facts)
    policy["metadata"]["name"] = f"{policy['metadata']['name']}-ca"
    documents = (policy, *binding(policy["metadata"]["name"], request.namespace, explanation.requester))
    return Advice(
        f"{what}: it asks for a CA certificate (isCA: true). Whoever has one can sign certificates for names "
        "of their own choice. If that is not meant, take isCA out of the request. If it is, allow it by one "
        "policy for this request alone, which is enough whatever the other policies say; the issuer also "
        "needs spec.certificateAuthority. Look at this, then kubectl apply it:",
        to_yaml(*documents),
    )


def _asks_for_ca(violations: Sequence[Violation]) -> bool:
    return any(violation.field == IS_CA for violation in violations)


def _all_deny(explanation: Explanation) -> Iterator[Advice]:
    """Advise to bind a policy that would approve, the shortest way; else to change those that apply."""
    results = explanation.decision.results
    approving = [one for one in results if explanation.would_violate.get(one.name) == ()]
    for result in approving[:_FIRST]:
        yield from _no_binding(explanation, result)
    denying = [one for one in results if one.applies]
    if denying and not approving and all(_asks_for_ca(one.violations) for one in denying):
        yield _for_ca(explanation, "No policy that applies allows this request")
        return
    if len(denying) > 1:
        yield Advice("One policy that allows all of the request is enough: change one of these, not all.")
    for result in denying[:_FIRST]:
        yield from _denied(explanation, result)
    yield from _broken(explanation, lambda name: _may_select(explanation, name))


def _nothing_applies(explanation: Explanation) -> Iterator[Advice]:
    """Advise about one kind of reason, the nearest to an approval, and about every broken policy."""
    results = explanation.decision.results
    kinds: tuple[tuple[Exclusion, Callable[[Explanation, PolicyResult], Iterator[Advice]]], ...] = (
        (Exclusion.RBAC, _no_binding),
        (Exclusion.NAMESPACE, _other_namespace),
        (Exclusion.SELECTOR, _other_issuer),
    )
    for reason, say in kinds:
        found = [result for result in results if result.reason is reason]
        # Those that would approve first: binding them is the whole way.
        found.sort(key=lambda result: bool(explanation.would_violate.get(result.name)))
        for result in found[:_FIRST]:
            yield from say(explanation, result)
        if found:
            break
    yield from _broken(explanation, lambda _name: True)


def _may_select(explanation: Explanation, name: str) -> bool:
    policy = selector_alone(name, explanation.policies.specs.get(name) or {})
    return policy is None or selects(policy, explanation.facts.issuer)


def _broken(explanation: Explanation, counts: Callable[[str], bool]) -> Iterator[Advice]:
    """Advise to correct the policies that can't be used, those of which `counts` is true."""
    results = explanation.decision.results
    broken = [one for one in results if one.reason is Exclusion.INVALID and counts(one.name)]
    for result in broken[:_FIRST]:
        problems = "; ".join(explanation.policies.invalid.get(result.name, ())) or result.message
        yield Advice(
            f'Correct the policy "{result.name}", which is not used as it is: {shown(problems, 1000)}'
        )


def _no_binding(explanation: Explanation, result: PolicyResult) -> Iterator[Advice]:
    name, requester = result.name, explanation.requester
    documents = binding(name, explanation.request.namespace, requester)
    assumed = ""
    if explanation.offline:
        assumed = (
            f" No role and binding among the files say so: if the cluster has them, say --allow-use {name}, "
            "or ask the cluster with --cluster."
        )
    unknown = "" if requester.name else " Nobody is known as requester: name one with --as."
    violations = explanation.would_violate.get(name, ())
    does = "selects" if violations else "would approve"
    yield Advice(
        f'The policy "{name}" {does} this request, but {_who(requester)} may not use it.{assumed}{unknown} '
        f"To let it be used for requests {_where(explanation)}, kubectl apply:",
        to_yaml(*documents),
        whole=to_yaml(*documents) if requester.name else "",
    )
    if _asks_for_ca(violations):
        yield _for_ca(explanation, f'Once bound, "{name}" would still deny this request')
    elif violations:
        yield from _to_change(explanation, name, violations, f'Once bound, "{name}" would deny it')


def _other_namespace(explanation: Explanation, result: PolicyResult) -> Iterator[Advice]:
    namespace = explanation.request.namespace
    if not namespace:
        yield Advice(
            f'The policy "{result.name}" is for namespaces, and a CertificateSigningRequest for a cluster '
            f"issuer has none: {shown(result.message)}. Take spec.selector.namespace out, or write another."
        )
        return
    selector = _selector(explanation, result.name, "namespace")
    labels = selector.get("matchLabels") or {}
    lacking = {k: v for k, v in labels.items() if explanation.labels.get(k) != v}
    names = selector.get("matchNames") or []
    text = f'The policy "{result.name}" is not for the namespace "{namespace}": {shown(result.message)}.'
    if lacking:
        pairs = " ".join(f"{key}={value}" for key, value in lacking.items())
        given = " or, if it has these, give --namespace-labels" if explanation.offline else ""
        text += (
            f" Label it (kubectl label namespace {namespace} {shown(pairs)}){given}; or change the policy."
        )
        yield Advice(text)
        return
    part = {"spec": {"selector": {"namespace": {"matchNames": [*names, namespace]}}}}
    yield Advice(
        f"{text} If it should be, put this into the policy:",
        to_yaml(part),
        whole=_changed(explanation, result.name, part),
    )


def _other_issuer(explanation: Explanation, result: PolicyResult) -> Iterator[Advice]:
    issuer = explanation.request.issuer
    group = _selector(explanation, result.name, "issuerRef").get("group")
    text = f'The policy "{result.name}" is for other issuers: {shown(result.message)}.'
    if issuer.group not in explanation.request.served_groups:
        yield Advice(
            f'{text} The request names an issuer of "{issuer.group}"; if vault-issuer is to sign it, set '
            f"issuerRef.group: {GROUP} and a kind of ours in the Certificate or CertificateRequest."
        )
        return
    if group in (PEER_GROUP, "cert-manager.io"):
        text += f" Its selector still names the group {group}."
    wanted = {"group": issuer.group, "kind": issuer.kind, "name": issuer.name}
    yield Advice(
        f"{text} If it should be for this one, put this into the policy (or wildcards that match it):",
        to_yaml({"spec": {"selector": {"issuerRef": wanted}}}),
    )


def _denied(explanation: Explanation, result: PolicyResult) -> Iterator[Advice]:
    yield from _to_change(
        explanation, result.name, result.violations, f'The policy "{result.name}" denies this request'
    )


def _to_change(
    explanation: Explanation, name: str, violations: Sequence[Violation], what: str
) -> Iterator[Advice]:
    spec = explanation.policies.specs.get(name, {})
    invalid = defect_violations(explanation.facts.csr.contents)
    ca = [one for one in violations if one.field == IS_CA]
    others = [one for one in violations if one not in invalid and one not in ca]
    part, rest = to_allow(others, explanation.facts, spec)
    if part:
        yield Advice(
            f"{what}: it asks for what is not allowed. Take it out of the request or, if it is right to ask "
            f'for it, merge this into the policy "{name}" (a * there matches any text):',
            to_yaml(part),
            whole="" if rest or ca else _changed(explanation, name, part),
        )
    if ca:
        yield Advice(
            f"{what}: it asks for a CA certificate (isCA: true), with which whoever has it can sign "
            "certificates for names of their own choice. Take isCA out of the request, or let another "
            "policy, for this request alone, allow it."
        )
    for violation in rest:
        yield Advice(f"{what} at {violation.field}: {shown(violation.message)}. {_hint(violation)}")


def _changed(explanation: Explanation, name: str, part: Mapping[str, Any]) -> str:
    """Return the policy with a part merged into it, as YAML: lists of the part come whole."""
    spec = explanation.policies.specs.get(name, {})
    head = {"apiVersion": API_VERSION, "kind": POLICY_KIND, "metadata": {"name": name}}
    return to_yaml({**head, "spec": _merged(spec, part["spec"])})


def _merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(one)
    for key, value in other.items():
        before = found.get(key)
        found[key] = _merged(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return found


def _hint(violation: Violation) -> str:
    path = violation.field
    if path.endswith("Duration"):
        return "Set spec.duration in the request to one within the policy's bounds, or change these."
    if ".privateKey" in path:
        return (
            "Make the key another kind or size (spec.privateKey of a Certificate), or change the constraint."
        )
    if path.endswith(".value"):
        return "It takes one pattern: widen it, write another policy, or change the request."
    if path.endswith(".required"):
        return "The policy wants this field: put it into the request."
    if ".validations" in path:
        return "A rule of the policy refuses the value: change the request, or the rule."
    return "Change the request; a policy can't allow this."


def _selector(explanation: Explanation, name: str, key: str) -> dict[str, Any]:
    selector = explanation.policies.specs.get(name, {}).get("selector")
    found = selector.get(key) if isinstance(selector, dict) else None
    return found if isinstance(found, dict) else {}


def _where(explanation: Explanation) -> str:
    namespace = explanation.request.namespace
    return f'in the namespace "{namespace}"' if namespace else "without a namespace"


def _who(requester: User) -> str:
    return f'"{shown(requester.name)}"' if requester.name else "the requester"
