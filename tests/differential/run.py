"""Has the peer judge generated groups, and keeps a few of its answers for those who don't have it.

`python -m tests.differential.run` writes the sample anew that the unit tests replay, and its answers to what
is different on purpose; needed when approver-policy in `testbed/go`, a difference or what is generated has
changed.
"""

from __future__ import annotations

import base64
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_csr

from testbed.cluster import Options, Testbed
from tests.differential.cases import Case, Group, cases, generate
from tests.differential.compare import disagreements
from tests.differential.examples import Example, example_cases
from tests.differential.mistakes import seeded
from tests.differential.peer import Answer, Peer

SAMPLE: Final = Path(__file__).resolve().parents[1] / "replay" / "peer_sample.json"
DIFFERENCES: Final = SAMPLE.with_name("differences.json")
SAMPLE_SIZE: Final = 300
FULL: Final = 550
"""Groups that make well over 2,000 cases."""

_PER_MISTAKE: Final = 3
_VERDICTS: Final = ("Approved", "Denied", "Unprocessed")


class _Options(TypedDict):
    cert_manager: bool
    webhook: bool
    vault: bool
    approver_policy: bool


# cert-manager's webhook stays out: the requester is written into the request, and odd CSRs reach the peer.
OPTIONS: Final[_Options] = {
    "cert_manager": False,
    "webhook": False,
    "vault": False,
    "approver_policy": True,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """Cases, the peer's answers by the case's name, and which peer it was."""

    cases: tuple[Case, ...]
    answers: Mapping[str, Answer]
    versions: Mapping[str, str]

    def counts(self) -> Counter[str]:
        """How often each verdict was given."""
        return Counter(self.answers[case.name].verdict for case in self.cases)


def ask(bed: Testbed, groups: list[Group], more: Sequence[Case] = ()) -> Asked:
    """The peer's answer to every request of the groups, and to `more` (these are not in `cases`).

    All in one go: a policy that is written later has the peer judge every undecided request again.
    """
    peer = Peer(bed)
    policies = {name: spec for group in groups for name, spec in group.policies.items()}
    policies |= {name: spec for case in more for name, spec in case.policies.items()}
    namespaces = {name: labels for group in groups for name, labels in group.own_namespaces.items()}
    peer.prepare(policies, namespaces)
    found = cases(groups)
    program = bed.servers.approver_policy
    versions = {
        "approver-policy": program.version if program else "",
        "kube-apiserver": bed.servers.kube_apiserver.version,
    }
    return Asked(tuple(found), peer.ask([*more, *found]), versions)


def choose(asked: Asked, size: int = SAMPLE_SIZE) -> list[Case]:
    """Cases that are worth keeping.

    Some that catch each seeded mistake by the verdict, one for each field that the peer names, and others,
    with few more policies, so that each verdict has its share. Those that catch mistakes come first.
    """
    wanted: dict[str, Case] = {}
    with pytest.MonkeyPatch.context() as patch:
        for _ in seeded(patch):
            caught = (one.case for one in disagreements(asked.cases, asked.answers) if one.verdicts_differ)
            wanted |= {case.name: case for case, _ in zip(caught, range(_PER_MISTAKE), strict=False)}
    seen: set[str] = set()
    for case in asked.cases:
        fields = asked.answers[case.name].fields or {}
        new = {path for paths in fields.values() for path in paths} - seen
        if new:
            seen |= new
            wanted[case.name] = case
    known = {json.dumps(case.policies) for case in wanted.values()}
    others = [case for case in asked.cases if case.name not in wanted]
    others.sort(key=lambda case: json.dumps(case.policies) not in known)
    counts = Counter(asked.answers[name].verdict for name in wanted)
    while len(wanted) < size and others:
        rarest = min(_VERDICTS, key=lambda verdict: counts[verdict])
        case = next((one for one in others if asked.answers[one.name].verdict == rarest), others[0])
        others.remove(case)
        counts[asked.answers[case.name].verdict] += 1
        wanted[case.name] = case
    return list(wanted.values())


def save(asked: Asked, path: Path = SAMPLE) -> int:
    """Write chosen cases and their answers, one group of policies a line; how many."""
    chosen = choose(asked)
    lines: dict[str, dict[str, Any]] = {}
    for case in chosen:
        group = lines.setdefault(json.dumps(case.policies), {"policies": case.policies, "cases": []})
        group["cases"].append(_entry(case, asked.answers[case.name]))
    body = ",\n".join(json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in lines.values())
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'{{"versions":{json.dumps(dict(asked.versions))},"groups":[\n{body}\n]}}\n')
    return len(chosen)


def save_differences(examples: Sequence[tuple[Example, Case]], answers: Mapping[str, Answer]) -> int:
    """Write what the peer answers to each deliberate difference, and we instead; how many."""
    lines = [
        json.dumps(
            {
                "difference": example.difference,
                "policies": case.policies,
                "request": case.request,
                "peer": answers[case.name].verdict,
                "ours": example.ours,
            },
            separators=(",", ":"),
            ensure_ascii=False,
        )
        for example, case in examples
    ]
    body = ",\n".join(lines)
    DIFFERENCES.write_text(f"[\n{body}\n]\n", encoding="utf-8")
    return len(lines)


def load_differences() -> list[dict[str, Any]]:
    """What `save_differences` wrote."""
    found: list[dict[str, Any]] = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    return found


def _entry(case: Case, answer: Answer) -> dict[str, Any]:
    fields = None if answer.fields is None else {name: sorted(one) for name, one in answer.fields.items()}
    spec = dict(case.request["spec"])
    der = load_pem_x509_csr(base64.b64decode(spec["request"])).public_bytes(Encoding.DER)
    return {
        "name": case.name,
        "namespace": case.namespace,
        "labels": dict(case.labels),
        "spec": {**spec, "request": base64.b64encode(der).decode()},
        "use": [name for name, may in case.may_use.items() if may],
        "verdict": answer.verdict,
        **({} if fields is None else {"fields": fields}),
    }


def load(path: Path = SAMPLE) -> Asked:
    """What `save` wrote."""
    told = json.loads(path.read_text())
    pairs = list(_entries(told["groups"]))
    return Asked(tuple(case for case, _ in pairs), {case.name: one for case, one in pairs}, told["versions"])


def _entries(groups: Iterable[Mapping[str, Any]]) -> Iterator[tuple[Case, Answer]]:
    for group in groups:
        policies = group["policies"]
        for entry in group["cases"]:
            meta = {"name": entry["name"], "namespace": entry["namespace"]}
            may_use = {name: name in entry["use"] for name in policies}
            request = {
                "metadata": meta,
                "spec": {**entry["spec"], "request": _as_pem(entry["spec"]["request"])},
            }
            fields = entry.get("fields")
            told = None if fields is None else {name: frozenset(paths) for name, paths in fields.items()}
            case = Case(entry["name"], policies, request, entry["labels"], may_use)
            yield case, Answer(entry["verdict"], fields=told)


def _as_pem(der: str) -> str:
    """The field of a request, from the shorter form of the file."""
    lines = [der[at : at + 64] for at in range(0, len(der), 64)]
    pem = ["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""]
    return base64.b64encode("\n".join(pem).encode()).decode()


def main() -> int:
    """Ask and save; refuses to save where we and the peer disagree, as that wants looking at first."""
    examples = example_cases()
    with Testbed(Options(**OPTIONS)) as bed:
        asked = ask(bed, generate(FULL, 1), [case for _, case in examples])
    wrong = list(disagreements(asked.cases, asked.answers))
    for one in wrong[:10]:
        print(one, file=sys.stderr)
    if wrong:
        return 1
    save_differences(examples, asked.answers)
    print(
        f"{len(asked.cases)} cases asked: {dict(asked.counts())}; {save(asked)} of them kept in {SAMPLE.name}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
