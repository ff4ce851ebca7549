"""Tests of policies: a file of requests and the decisions that they must get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from issuer.api.model import ApiModel, SpecError, TextList, parse_model
from issuer.explain.evaluation import Explanation
from issuer.explain.offline import check_known, explain
from issuer.explain.policies import PolicySet, policies_in
from issuer.explain.review_input import RequestOptions, ReviewInput, read_requests, requests_in
from issuer.kube.identity import User
from issuer.manifests.documents import Document, read_documents, read_source, read_tree
from issuer.manifests.errors import BadInput
from issuer.manifests.requester import named

MAX_CASES: Final = 10_000


def _one_or_more(value: object) -> object:
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


class PolicyCase(ApiModel):
    """One request with the expected decision. Paths are relative to the file; `namespace` and the fields
    below it are for a bare PEM request."""

    name: Annotated[str, Field(min_length=1)]
    request: str | dict[str, Any]
    policies: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)]
    expect: Literal["Approved", "Denied", "Unprocessed"]
    violations: TextList | None = None
    as_: str | None = Field(default=None, alias="as")
    groups: TextList = ()
    allow_use: Annotated[tuple[str, ...], BeforeValidator(_one_or_more)] = ()
    namespace_labels: dict[str, str] = Field(default_factory=dict)
    namespace: str | None = None
    issuer: str | None = None
    duration: str | None = None
    usages: TextList = ()
    is_ca: bool = Field(default=False, alias="isCA")


class CaseFile(ApiModel):
    """A file of cases, as `policy test` reads it."""

    cases: Annotated[tuple[PolicyCase, ...], Field(max_length=MAX_CASES, strict=False)]


@dataclass(frozen=True, slots=True)
class CaseResult:
    """Result of one case: `problems` is empty if it passed; `error` says why there is no decision."""

    name: str
    expect: str
    decision: str = ""
    policy: str | None = None
    problems: tuple[str, ...] = ()
    error: str = ""

    @property
    def passed(self) -> bool:
        """Return True if there is a decision, and it is the expected one."""
        return not self.error and not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the result as `-o json` prints it."""
        return {
            "name": self.name,
            "passed": self.passed,
            "expect": self.expect,
            "decision": self.decision or None,
            "policy": self.policy,
            "problems": list(self.problems),
            "error": self.error or None,
        }


def run_cases(path: str) -> list[CaseResult]:
    """Evaluate every case of a file, in its order. Raises BadInput if the file itself can't be used."""
    folder = Path(path).parent if path != "-" else Path()
    read: dict[tuple[str, ...], PolicySet] = {}
    return [_run(case, folder, read) for case in _read(path)]


def _read(path: str) -> Sequence[PolicyCase]:
    source, content = read_source(path)
    documents = read_documents(source, content)
    if len(documents) != 1:
        raise BadInput(f"{source} must hold one document, with the key cases")
    try:
        cases = parse_model(CaseFile, documents[0].data, source, strict=True).cases
    except SpecError as error:
        raise BadInput(str(error)) from error
    if not cases:
        raise BadInput(f"{source}: cases is empty, so nothing would be tested")
    names = [case.name for case in cases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadInput(f"{source}: two cases have the name {twice!r}")
    return cases


def _run(case: PolicyCase, folder: Path, read: dict[tuple[str, ...], PolicySet]) -> CaseResult:
    try:
        if case.policies not in read:
            read[case.policies] = policies_in(read_tree([_under(folder, one) for one in case.policies]))
        policies = read[case.policies]
        check_known(policies, case.allow_use)
        request = _request(case, folder)
        explanation = explain(
            request, _requester(case, request), policies, case.namespace_labels, case.allow_use
        )
    except BadInput as error:
        return CaseResult(case.name, case.expect, error=str(error))
    return CaseResult(
        case.name,
        case.expect,
        explanation.decision.verdict.value,
        explanation.decision.policy,
        tuple(_problems(case, explanation)),
    )


def _under(folder: Path, path: str) -> str:
    if path == "-":
        raise BadInput("a case can't read from standard input; name a file")
    return str(folder / path)


def _request(case: PolicyCase, folder: Path) -> ReviewInput:
    options = RequestOptions(case.namespace, case.issuer, case.duration, case.usages, case.is_ca)
    if isinstance(case.request, str):
        found = read_requests(_under(folder, case.request), options)
    else:
        where = "request"
        found = requests_in([Document(where, case.request)], where, options)
    if len(found) != 1:
        raise BadInput(f"{case.request} holds {len(found)} requests; a case is about one")
    return found[0]


def _requester(case: PolicyCase, request: ReviewInput) -> User:
    return named(case.as_ or "", case.groups) if case.as_ or case.groups else request.requester


def _problems(case: PolicyCase, explanation: Explanation) -> list[str]:
    decision = explanation.decision
    found: list[str] = []
    if decision.verdict.value != case.expect:
        found.append(f"expected {case.expect}, got {_verdict_text(explanation)}")
    if case.violations is not None:
        fields = {violation.field for result in decision.results for violation in result.violations}
        missing, surplus = sorted(set(case.violations) - fields), sorted(fields - set(case.violations))
        found += [f"expected a violation of {field}, and there is none" for field in missing]
        found += [f"a violation of {field} was not expected" for field in surplus]
    return found


def _verdict_text(explanation: Explanation) -> str:
    summary = " ".join(explanation.decision.summary(300).split())
    return (
        f"{explanation.decision.verdict.value}: {summary}" if summary else explanation.decision.verdict.value
    )


def counts(results: Sequence[CaseResult]) -> Mapping[str, int]:
    """Count the results that `passed` and `failed`, and the `errors` without a decision."""
    passed = sum(result.passed for result in results)
    errors = sum(bool(result.error) for result in results)
    return {"passed": passed, "failed": len(results) - passed - errors, "errors": errors}
