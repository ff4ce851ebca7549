"""Tables of `inspect` and `explain`, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from issuer.explain.rendering import show_advice, show_decision, verdict_text
from issuer.inspection.objects.tables import show_gaps
from issuer.inspection.progress import RequestState
from issuer.inspection.request.details import RequestDetails
from issuer.inspection.request.diagnosis import Diagnosis
from issuer.inspection.request.report import head_json
from issuer.manifests.text import shown
from issuer.policy.decision import PolicyVerdict
from issuer.terminal.console import Console, Text
from issuer.terminal.tables import Cell, bullets, fields, listed, marked, rows, section

Json = Mapping[str, Any]

_COLOURS: Final = {
    RequestState.ISSUED: "green",
    RequestState.WAITING: "yellow",
    RequestState.DENIED: "red",
    RequestState.FAILED: "red",
}


def show_report(details: RequestDetails, report: Json, to: Console) -> None:
    """Print a report."""
    _head(details, to, with_message=True)
    _csr(report, to)
    _decision(details, report["decision"], to)
    _certificate(report["certificate"], to)
    _chain(report["chain"], to)
    if report["differences"]:
        section(to, "Differs from the request")
        bullets(to, (f"{'FATAL: ' * one['fatal']}{one['message']}" for one in report["differences"]))
    _events(report["events"], to)
    show_gaps(report["notShown"], to)


def show_diagnosis(details: RequestDetails, found: Diagnosis, to: Console) -> None:
    """Print a diagnosis: the reasons, what the policies say, and what to do."""
    _head(details, to, with_message=False)
    section(to, "Why")
    bullets(to, found.reasons)
    explanation = details.explanation
    is_missing = details.issuer is None and details.issuer_readable  # policies are about an issuer
    if (
        not is_missing
        and explanation is not None
        and explanation.decision.verdict is not PolicyVerdict.APPROVED
    ):
        to.print()
        to.print(Text(f"The policies now: {verdict_text(explanation)}", style="bold"))
        show_decision(explanation, to)
    show_advice(found.advice, to)
    show_gaps(details.gaps, to)


def _head(details: RequestDetails, to: Console, *, with_message: bool) -> None:
    """Print the request's names and state; `with_message` adds what its status says."""
    head, progress = head_json(details), details.progress
    name = "/".join(filter(None, (head["namespace"], head["name"])))
    requester = head["requester"]
    issuer = details.spec_problem if details.issuer_key is None else str(details.issuer_key)
    since = "" if progress.since is None else f" since {progress.to_json()['since']}"
    state = shown(f"{progress.state.value}{_in_brackets(progress.reason, progress.state.value)}{since}")
    fields(
        to,
        [
            ("Request", f"{name} ({head['kind']})"),
            ("Certificate", head["certificate"]),
            ("Created", head["created"]),
            ("Issuer", issuer),
            ("Requester", f"{requester['username'] or 'not known'} (groups: {_groups(requester)})"),
            ("State", Text(state, style=f"bold {_COLOURS[progress.state]}")),
            ("", progress.message if with_message else ""),
        ],
    )


def _csr(report: Json, to: Console) -> None:
    csr, spec = report["csr"], report["spec"]
    section(to, "Asked for")
    if "problem" in csr:
        fields(to, [("CSR", Text(shown(csr["problem"], 600), style="red"))])
        return
    fields(
        to,
        [
            ("Subject", csr["subject"] or "(empty)"),
            ("Names", listed(csr["names"]) or "(none)"),
            ("Key", csr["key"]),
            ("Unreadable", Text(shown(listed(csr["unreadable"]), 1200), style="red")),
            *_spec(spec),
        ],
    )
    if csr["extensions"]:
        to.print()
        rows(to, ("Extension of the CSR", "Critical", "Value"), map(_extension, csr["extensions"]))
    if report["specDifferences"]:
        section(to, "The CSR differs from the request's spec")
        bullets(to, report["specDifferences"], style="red")


def _spec(spec: Json) -> list[tuple[str, Cell]]:
    if "problem" in spec:
        return [("Spec", Text(shown(spec["problem"], 600), style="red"))]
    return [
        ("Duration", spec["duration"] or "(none named)"),
        ("Usages", listed(spec["usages"]) or "(the default: digital signature, key encipherment)"),
        ("CA", "yes" if spec["isCA"] else "no"),
    ]


def _extension(one: Json) -> tuple[str, str, str]:
    return one["name"] or one["oid"], "critical" if one["critical"] else "", one["value"]


def _decision(details: RequestDetails, decision: Json, to: Console) -> None:
    section(to, "Decision")
    if decision["decided"]:
        by = "by policy" if decision["by"] == "policy" else f"by {decision['by']} ({decision['reason']})"
        fields(to, [(decision["decided"], f"{by}: {decision['message']}"), ("at", decision["time"])])
    else:
        fields(to, [("Decided", "not yet")])
    if details.explanation is not None:
        fields(to, [("Policies now", verdict_text(details.explanation))])
        show_decision(details.explanation, to)


def _certificate(one: Json | None, to: Console) -> None:
    section(to, "Certificate")
    if one is None:
        fields(to, [("", "none")])
        return
    if "problem" in one:
        fields(to, [("", Text(shown(f"it can't be read: {one['problem']}", 600), style="red"))])
        return
    length = "" if one["pathLength"] is None else f", path length {one['pathLength']}"
    fields(
        to,
        [
            ("Serial", one["serial"]),
            ("Subject", one["subject"] or "(empty)"),
            ("Issuer", one["issuer"]),
            ("Names", listed(one["names"]) or "(none)"),
            ("Valid", f"{one['notBefore']} to {one['notAfter']}"),
            ("Left", one["left"]),
            ("Key", one["key"]),
            ("Usages", listed([*one["keyUsages"], *one["extendedKeyUsages"]]) or "(none)"),
            ("CA", f"yes{length}" if one["isCA"] else "no"),
            ("Key id", one["subjectKeyId"]),
            ("Issuer's key id", one["authorityKeyId"]),
            ("SHA-256", one["sha256"]),
        ],
    )


def _chain(chain: Json | None, to: Console) -> None:
    if chain is None:
        return
    section(to, "Chain")
    holds = marked(chain["holds"], "holds", "DOES NOT HOLD")
    top = "" if chain["complete"] or chain["problem"] else ", to the topmost CA known, which is no root"
    fields(to, [("", holds + Text(shown(top + _after_colon(chain["problem"]), 1200)))])
    rows(to, ("", "Subject", "Expires", "Left", "Signed by"), map(_link, enumerate(chain["certificates"])))


def _link(numbered: tuple[int, Json]) -> tuple[Cell, ...]:
    number, one = numbered
    left: Cell = Text("EXPIRED", style="red") if one["ended"] else one["left"]
    signature = Text(shown(one["signature"], 600), style="red" if one["signature"].startswith("NOT") else "")
    return str(number), one["subject"] or "(no subject)", one["notAfter"], left, signature


def _events(events: Sequence[Json], to: Console) -> None:
    if not events:
        return
    section(to, "Events")
    rows(
        to,
        ("Last", "Type", "Reason", "Times", "Message"),
        ((one["time"], one["type"], one["reason"], str(one["count"]), one["message"]) for one in events),
    )


def _groups(requester: Json) -> str:
    return listed(requester["groups"]) or "none"


def _in_brackets(reason: str, said: str) -> str:
    return f" ({reason})" if reason and reason != said else ""


def _after_colon(text: str) -> str:
    return f": {text}" if text else ""
