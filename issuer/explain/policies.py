"""Policies among documents: compiled, or with the reasons why they can't be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from issuer.api.group import API_VERSION, GROUP, POLICY_KIND
from issuer.api.model import SpecError
from issuer.api.policy import PolicySpec
from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.policy.compiled import CompiledPolicy, PolicyInvalid, compile_policy

PEER_GROUP: Final = "policy.cert-manager.io"
"""API group of approver-policy. Its policies are read too, so that they can be tried before a migration."""


@dataclass(frozen=True, slots=True)
class PolicySet:
    """Compiled policies, `invalid` ones with all their problems by name, and the specs of both."""

    policies: tuple[CompiledPolicy, ...] = ()
    invalid: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    specs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.specs)

    def summaries(self) -> dict[str, str]:
        """One line for each invalid policy."""
        return {name: "; ".join(problems) for name, problems in self.invalid.items()}


def is_policy(document: Document) -> bool:
    """Return True for a CertificateRequestPolicy, ours or approver-policy's."""
    return document.kind == POLICY_KIND and document.group in (GROUP, PEER_GROUP)


def policies_in(documents: Iterable[Document]) -> PolicySet:
    """Compile the policies among `documents`, skip others. Raises BadInput for two of the same name."""
    found = [document for document in documents if is_policy(document)]
    _check_names(found)
    notes = [note for document in found for note in _notes(document)]
    return compiled([(document.name, spec_of(document)) for document in found], notes)


def spec_of(document: Document) -> Mapping[str, Any]:
    """Return a policy's spec. Raises BadInput if it is no object."""
    spec = document.data.get("spec")
    if not isinstance(spec, dict):
        raise BadInput(f"{document.source}: spec is missing, or no object")
    return spec


def compiled(specs: Sequence[tuple[str, Mapping[str, Any]]], notes: Sequence[str] = ()) -> PolicySet:
    """Compile policies given by name and spec."""
    policies: list[CompiledPolicy] = []
    invalid: dict[str, tuple[str, ...]] = {}
    for name, spec in specs:
        try:
            policies.append(compile_policy(name, spec))
        except (PolicyInvalid, SpecError) as error:
            invalid[name] = tuple(problem_lines(error))
    return PolicySet(tuple(policies), invalid, dict(specs), tuple(notes))


def problem_lines(error: PolicyInvalid | SpecError) -> list[str]:
    """Return one line for each problem, with its field."""
    if isinstance(error, PolicyInvalid):
        return [f"{problem.field}: {problem.message}" for problem in error.problems]
    return str(error).splitlines()


def unknown_fields(spec: Mapping[str, Any]) -> list[str]:
    """Return a line for each field that only a strict reading refuses: the API server drops it silently."""
    try:
        PolicySpec.parse(spec)
    except SpecError:
        return []
    try:
        PolicySpec.parse(spec, strict=True)
    except SpecError as error:
        return str(error).splitlines()
    return []


def _notes(document: Document) -> Iterator[str]:
    if document.group == PEER_GROUP:
        yield (
            f"{document.name} ({document.source}) is approver-policy's; it is judged as if its apiVersion "
            f"were {API_VERSION}, and vault-issuer reads it only once that is so"
        )
    for problem in unknown_fields(spec_of(document)):
        yield f"{document.name} ({document.source}): {problem}; the API server would drop it"


def _check_names(documents: Iterable[Document]) -> None:
    seen: dict[str, str] = {}
    for document in documents:
        if not document.name:
            raise BadInput(f"{document.source}: metadata.name is missing")
        if document.name in seen:
            raise BadInput(
                f"{document.source}: the policy {document.name} is also in {seen[document.name]}; "
                "a cluster has only one of that name"
            )
        seen[document.name] = document.source
