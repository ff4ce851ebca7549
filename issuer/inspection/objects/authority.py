"""CAs of an issuer as items of its account: their chain, its end, and what the status warns of. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from issuer.explain.advice import Advice
from issuer.inspection.objects.account import AccountItem, Mark
from issuer.inspection.objects.live import IssuerTrial
from issuer.inspection.progress import text_of, time_of
from issuer.kube.wire import Object
from issuer.manifests.text import shown
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.profile import SigningProfile
from issuer.signing.trusted_cas import trusted_ways
from issuer.site import docs_page
from issuer.terminal.ages import until
from issuer.text import rfc3339
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.chains.chain import signing_ca
from issuer.x509.describe import subject_text
from issuer.x509.errors import X509Error

SOON: Final = timedelta(days=30)
"""Rest of a CA's life from which it deserves a look."""


def authority_items(
    profile: SigningProfile, obj: Object, trial: IssuerTrial, now: datetime
) -> Iterator[AccountItem]:
    """Yield the chains of the CAs that sign, as served now or as the status has them, and its warnings."""
    status = obj.get("status") or {}
    if trial.health is None:
        yield from _from_status(text_of(status, "caSubject"), text_of(status, "caNotAfter"), now)
    else:
        yield from _served("CA chain", profile.leaf.name, trial.health.ca_pem, trial.anchors, now)
        if profile.authority is not None and trial.health.authority_pem is not None:
            pem = trial.health.authority_pem
            yield from _served("CA chain for CAs", profile.authority.name, pem, trial.anchors, now)
    warnings = (status.get("warnings") or ()) if trial.health is None else trial.health.warnings
    for text in dict.fromkeys((*(status.get("warnings") or ()), *warnings)):
        yield AccountItem("Warning", Mark.LOOK, shown(str(text), 1200))


def _from_status(subject: str, end: str, now: datetime) -> Iterator[AccountItem]:
    moment = time_of(end)
    if moment is None:
        yield AccountItem(
            "CA chain",
            Mark.NOT_KNOWN,
            "its status has none: no check has read it, or its kind keeps none",
        )
        return
    yield _end("CA chain", f"{subject or '(no subject)'}, as last seen", moment, now)


def _served(name: str, path: str, pem: str, anchors: Anchors | None, now: datetime) -> Iterator[AccountItem]:
    """Yield the chain of the CA behind a path, from below, and its end."""
    try:
        cas = read_bundle(pem, needed=1).certificates
        found = trusted_ways(signing_ca(cas, now, anchors), anchors, path)
    except (X509Error, IssuerBroken) as error:
        message = error.message if isinstance(error, IssuerBroken) else str(error)
        cure = Advice(
            f"Correct the CA chain at the server; {docs_page('rotate-the-ca')} says how one is changed."
        )
        yield AccountItem(
            name, Mark.BAD, f"no certificate would have a valid chain: {shown(message, 1200)}", cure
        )
        return
    way = found.ways[0]
    chain = " < ".join(f'"{subject_text(one)[:200]}"' for one in way.cas)
    top = "" if way.complete else ", whose root is not known"
    yield _end(name, f"{chain}{top}", found.not_after, now)


def _end(name: str, text: str, end: datetime, now: datetime) -> AccountItem:
    told = f"{text}; expires {rfc3339(end)} ({until(end, now)})"
    cure = Advice(f"Rotate the CA: {docs_page('rotate-the-ca')}")
    if end <= now:
        return AccountItem(name, Mark.BAD, told, cure)
    if end - now < SOON:
        return AccountItem(name, Mark.LOOK, told, cure)
    return AccountItem(name, Mark.GOOD, told)
