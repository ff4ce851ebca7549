"""Output of the commands of `vault-issuer trust`, as tables and as data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from issuer.cli.options import OutputFormat
from issuer.cli.output import print_data
from issuer.manifests.text import shown
from issuer.terminal.console import console
from issuer.terminal.tables import fields
from issuer.text import rfc3339
from issuer.trust.installing import TrustAct, TrustStep
from issuer.trust.roots import TrustRoot, root_problems
from issuer.x509.certificates import Certificate, decoded
from issuer.x509.describe import fingerprint, issuer_text, subject_text

_WORDS: Final = {
    TrustAct.INSTALL: "would be installed",
    TrustAct.REMOVE: "would be removed",
    TrustAct.INSTALLED: "installed, and trusted",
    TrustAct.REMOVED: "removed",
    TrustAct.PRESENT: "there already",
    TrustAct.FOREIGN: "trusted already; somebody else put it there",
    TrustAct.ENDED: "has ended; vault-issuer trust remove --ended takes it away",
    TrustAct.FAILED: "FAILED",
}


def certificate_report(certificate: Certificate, now: datetime) -> dict[str, Any]:
    """Return one certificate of a source as data."""
    known = decoded(certificate)
    problems = list(root_problems(certificate, now))
    return {
        "subject": subject_text(certificate),
        "issuer": issuer_text(certificate),
        "sha256": fingerprint(certificate),
        "notAfter": None if known is None else rfc3339(known.not_valid_after_utc),
        "root": not problems,
        "problems": problems,
    }


def print_certificates(
    certificates: Sequence[Certificate], left_out: Sequence[str], now: datetime, output: OutputFormat
) -> None:
    """Print the certificates of a source."""
    reports = [certificate_report(one, now) for one in certificates]
    if output is not OutputFormat.TABLE:
        print_data({"certificates": reports, "leftOut": list(left_out)}, output)
        return
    to = console()
    for report in reports:
        role = "a root" if report["root"] else f"no root to install: it {'; it '.join(report['problems'])}"
        shown_fields = {
            "Subject": report["subject"],
            "Issuer": report["issuer"],
            "SHA-256": report["sha256"],
            "Ends": report["notAfter"] or "?",
            "Is": role,
        }
        fields(to, [(name, shown(value, 1000)) for name, value in shown_fields.items()])
        to.print()
    for problem in left_out:
        to.print(f"Left out: {shown(problem, 1000)}")


def print_steps(steps: Iterable[TrustStep], output: OutputFormat, none: str = "Nothing to do.") -> bool:
    """Print steps, as a table each as soon as it is done; `none` where there are none. Return True if one
    failed."""
    done = []
    for step in steps:
        done.append(step)
        if output is OutputFormat.TABLE:
            _print_step(step)
    if output is not OutputFormat.TABLE:
        print_data([step_report(step) for step in done], output)
    elif not done:
        console().print(none)
    return any(step.act is TrustAct.FAILED for step in done)


def _print_step(step: TrustStep) -> None:
    why = f": {step.why}" if step.why else ""
    to = console()
    to.print(shown(f"{step.store.name}: {_WORDS[step.act]}{why}", 2000), soft_wrap=True)
    to.print(shown(f"  {step.root.subject}, ends {rfc3339(step.root.ends)}", 1000), soft_wrap=True)
    to.print(f"  SHA-256 {step.root.sha256}", soft_wrap=True)


def step_report(step: TrustStep) -> dict[str, Any]:
    """Return one step as data."""
    return root_report(step.store.name, step.root) | {"result": step.act.value, "message": step.why}


def root_report(store: str, root: TrustRoot) -> dict[str, Any]:
    """Return one root of a store as data."""
    return {"store": store, "subject": root.subject, "sha256": root.sha256, "notAfter": rfc3339(root.ends)}
