"""Accounts of Certificates that have no request: what cert-manager says, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from issuer.explain.advice import Advice
from issuer.inspection.alternatives import issuers_in_reach, nearest
from issuer.inspection.commands import describe, edit, explain_issuer, name_issuer, renew
from issuer.inspection.events import events_of
from issuer.inspection.kinds import CERTIFICATE
from issuer.inspection.objects.account import AccountItem, AccountList, Mark, ObjectAccount
from issuer.inspection.progress import ready_json, text_of, time_of
from issuer.inspection.reading import Reader, Withheld
from issuer.kube.wire import Object
from issuer.manifests.text import shown
from issuer.requests.conditions import find, ready_of
from issuer.requests.issuers import IssuerKey, IssuerKinds
from issuer.text import rfc3339

GRACE: Final = timedelta(minutes=5)
"""Time after the planned one that a renewal may take before it counts as overdue, as on the status page."""
CERT_MANAGER_PODS: Final = "kubectl get pods -A -l app.kubernetes.io/instance=cert-manager"

_LONG: Final = 1200
_MOST_HOURS: Final = 32
"""Longest pause of cert-manager between two tries of a Certificate (pkg/controller/certificates/trigger)."""


@dataclass(frozen=True, slots=True)
class _Issuer:
    """The issuer that a Certificate names: its reference, and what was found of it.

    `key` is None for one that is none of ours; `found` is None where there is none, or not `readable`.
    """

    reference: Mapping[str, Any]
    key: IssuerKey | None
    found: Object | None
    readable: bool
    alternatives: Sequence[IssuerKey]


async def certificate_account(reader: Reader, certificate: Object, now: datetime) -> ObjectAccount:
    """Return the account of a Certificate without a request. Raises KubeError."""
    meta, status = certificate["metadata"], certificate.get("status") or {}
    issuer = await _issuer(reader, certificate)
    events = await events_of(reader, str(meta.get("uid") or ""), meta["namespace"])
    ready = ready_of(certificate)
    good = ready.get("status") == "True" and not overdue_of(certificate, now)
    items = [
        *_own(certificate, good),
        *_overdue(certificate, now),
        _issuer_item(certificate, issuer, reader.backends.kinds),
        *_tries(certificate, now),
        _request(certificate, good=good),
    ]
    spec = certificate.get("spec") or {}
    return ObjectAccount(
        kind=CERTIFICATE,
        namespace=meta["namespace"],
        name=meta["name"],
        good=good,
        state=_state(certificate, good),
        head=[
            ("Created", text_of(meta, "creationTimestamp")),
            ("Secret", text_of(spec, "secretName")),
            ("Expires", text_of(status, "notAfter")),
            ("Renewal", text_of(status, "renewalTime")),
        ],
        items=items,
        lists=_events(events),
        data={"events": list(events)},
        gaps=tuple(reader.gaps),
    )


def overdue_of(certificate: Object, now: datetime) -> str:
    """Return that a Certificate has expired, or should have been renewed by now; "" if neither is so."""
    end, renewal = ended_at(certificate, now), due_since(certificate, now)
    if end is not None:
        past = f"its certificate expired at {rfc3339(end)}"
    elif renewal is not None:
        past = f"its renewal was due at {rfc3339(renewal)}"
    else:
        return ""
    return f"{past}, and cert-manager has asked for no other"


def ended_at(certificate: Object, now: datetime) -> datetime | None:
    """Return when a Certificate's certificate expired, None if it hasn't."""
    end = time_of((certificate.get("status") or {}).get("notAfter"))
    return end if end is not None and end <= now else None


def due_since(certificate: Object, now: datetime) -> datetime | None:
    """Return when a Certificate's renewal was due, None if that isn't past by `GRACE`."""
    renewal = time_of((certificate.get("status") or {}).get("renewalTime"))
    return renewal if renewal is not None and renewal <= now - GRACE else None


def word_of(certificate: Object) -> str:
    """Return what cert-manager says of a Certificate in its conditions, "" for nothing.

    Of one that is Ready and not being issued, that is nothing that explains a request.
    """
    conditions = (certificate.get("status") or {}).get("conditions")
    said: dict[str, str] = {}
    for kind, is_news in (("Ready", "False"), ("Issuing", "True"), ("Issuing", "False")):
        condition = find(conditions, kind) or {}
        message = text_of(condition, "message")
        if condition.get("status") == is_news and message:
            said.setdefault(message, f"{kind} {is_news} ({text_of(condition, 'reason')}): {message}")
    return shown("; ".join(said.values()), _LONG)


def _own(certificate: Object, good: bool) -> Iterator[AccountItem]:
    """Yield what cert-manager says of it, and whether it is going away."""
    name, namespace = certificate["metadata"]["name"], certificate["metadata"]["namespace"]
    if certificate["metadata"].get("deletionTimestamp"):
        yield AccountItem(
            "Certificate", Mark.LOOK, "it is being deleted: cert-manager makes no request for it"
        )
        return
    if not (certificate.get("status") or {}).get("conditions"):
        cure = Advice(
            "See whether cert-manager runs, and what its controller logs of the Certificate.",
            command=CERT_MANAGER_PODS,
        )
        yield AccountItem("cert-manager", Mark.BAD, "it has not looked at the Certificate yet", cure)
        return
    word = word_of(certificate)
    if word:
        cure = Advice(
            "cert-manager's own view, with its events:",
            command=describe("certificate", name, namespace),
        )
        yield AccountItem("cert-manager", Mark.LOOK if good else Mark.BAD, f"it says: {word}", cure)
    else:
        yield AccountItem("cert-manager", Mark.GOOD, "the Certificate is Ready, and not being issued")


def _overdue(certificate: Object, now: datetime) -> Iterator[AccountItem]:
    """Yield that a renewal is due, and that cert-manager has asked for none."""
    overdue = overdue_of(certificate, now)
    if overdue:
        cure = Advice("See whether cert-manager runs:", command=CERT_MANAGER_PODS)
        yield AccountItem("Renewal", Mark.BAD, overdue, cure)


def _state(certificate: Object, good: bool) -> str:
    if good:
        return "it has its certificate"
    if ready_of(certificate).get("status") == "True":
        return "it has its certificate, which has not been renewed in time"
    return "it has no CertificateRequest, and no certificate"


def _request(certificate: Object, *, good: bool) -> AccountItem:
    """Say that there is no request, and when one is made."""
    status = certificate.get("status") or {}
    renewal = text_of(status, "renewalTime")
    name, namespace = certificate["metadata"]["name"], certificate["metadata"]["namespace"]
    cure = Advice(
        "To have a request made now:",
        command=renew(name, namespace),
    )
    if good:
        when = f"; cert-manager makes the next at {renewal}" if renewal else ""
        return AccountItem("Request", Mark.GOOD, f"there is none now: the certificate is issued{when}")
    return AccountItem("Request", Mark.BAD, "there is none: cert-manager has not made one", cure)


def _tries(certificate: Object, now: datetime) -> Iterator[AccountItem]:
    """Yield when cert-manager tries again after failed issuances: 1 h after the first, then twice as long."""
    status = certificate.get("status") or {}
    attempts, last = status.get("failedIssuanceAttempts"), time_of(status.get("lastFailureTime"))
    if last is None or not isinstance(attempts, int) or attempts < 1:
        return
    pause = timedelta(hours=min(_MOST_HOURS, 2 ** min(attempts - 1, 10)))
    again = last + pause
    times = "once" if attempts == 1 else f"{attempts} times in a row"
    when = "is due" if again <= now else f"comes at {rfc3339(again)}"
    yield AccountItem(
        "Tries", Mark.LOOK, f"it failed {times}, last at {rfc3339(last)}; cert-manager's next try {when}"
    )


async def _issuer(reader: Reader, certificate: Object) -> _Issuer:
    reference = (certificate.get("spec") or {}).get("issuerRef") or {}
    namespace = certificate["metadata"]["namespace"]
    kind = reader.backends.kinds.referred(reference)
    name, key = text_of(reference, "name"), reader.backends.kinds.named(reference, namespace)
    found, readable = None, True
    if kind is not None and key is not None:
        try:
            found = await reader.get(kind.resource, key.name, key.namespace or None, what="its issuer is")
        except Withheld:
            readable = False
    alternatives: Sequence[IssuerKey] = ()
    if found is None and readable:
        alternatives = nearest(name, await issuers_in_reach(reader, namespace))
    return _Issuer(reference, key, found, readable, alternatives)


def _issuer_item(certificate: Object, issuer: _Issuer, kinds: IssuerKinds) -> AccountItem:
    if issuer.key is None:
        return _foreign(certificate, issuer, kinds)
    quoted = shown(issuer.key.quoted)
    if not issuer.readable:
        return AccountItem("Issuer", Mark.NOT_KNOWN, f"{quoted} may not be read")
    if issuer.found is None:
        return AccountItem("Issuer", Mark.BAD, f"there is no {quoted}", _rename(certificate, issuer, kinds))
    ready = ready_json(issuer.found)
    if ready["ready"] is True:
        return AccountItem("Issuer", Mark.GOOD, f"{quoted} is Ready")
    reason = f" ({shown(ready['reason'])})" if ready["reason"] else ""
    cure = Advice(
        f"Mend {quoted}:",
        command=explain_issuer(issuer.key),
    )
    return AccountItem(
        "Issuer", Mark.BAD, f"{quoted} is not Ready{reason}: {shown(ready['message'], _LONG)}", cure
    )


def _foreign(certificate: Object, issuer: _Issuer, kinds: IssuerKinds) -> AccountItem:
    reference = issuer.reference
    kind, group = text_of(reference, "kind") or "Issuer", text_of(reference, "group") or "cert-manager.io"
    text = (
        f'issuerRef names {shown(kind)} "{shown(text_of(reference, "name"))}" of the API group '
        f'"{shown(group)}": vault-issuer answers only for {" and ".join(kinds.groups)}'
    )
    is_meant = kind in kinds
    cure = _rename(certificate, issuer, kinds) if is_meant or issuer.alternatives else None
    return AccountItem("Issuer", Mark.BAD if is_meant else Mark.LOOK, text, cure)


def _rename(certificate: Object, issuer: _Issuer, kinds: IssuerKinds) -> Advice:
    """Advise to name an issuer that is there, with the command for the nearest."""
    name, namespace = certificate["metadata"]["name"], certificate["metadata"]["namespace"]
    there = " and ".join(shown(key.quoted) for key in issuer.alternatives)
    text = "Edit issuerRef of the Certificate, or create the issuer." + (f" There is {there}." * bool(there))
    if not issuer.alternatives:
        return Advice(text, command=edit("certificate", name, namespace))
    return Advice(text, command=name_issuer(name, namespace, issuer.alternatives[0], kinds))


def _events(events: Sequence[Mapping[str, Any]]) -> list[AccountList]:
    if not events:
        return []
    lines = [(one["time"], one["reason"], one["message"]) for one in events]
    return [AccountList("Events", ("Last", "Reason", "Message"), lines)]
