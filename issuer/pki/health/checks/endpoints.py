"""Checks of what the URLs in certificates answered: the right CA, a fresh list, a signed OCSP answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509 import ocsp

from issuer.pki.authorities.parts import UNDECODABLE
from issuer.pki.health.checks.check import MountCheck, hours
from issuer.pki.health.facts import MountFacts
from issuer.pki.health.finding import Gravity, HealthFinding
from issuer.pki.health.fixes import authority_fix, mount_fix
from issuer.pki.health.ocsp import is_answered_by
from issuer.pki.health.parameters import HealthParameters
from issuer.pki.health.pointers import (
    FIELDS,
    FetchedAnswer,
    MountDefault,
    Pointer,
    PointerKind,
    urls_of,
)
from issuer.site import docs_page
from issuer.text import parse_json, rfc3339
from issuer.x509.chains.chain import CLOCK_SKEW
from issuer.x509.chains.links import signed_by
from issuer.x509.crls import read_crls

_PEM: Final = b"-----BEGIN"
_LAST: Final = {
    "issuing_certificates": "issuer/{}/der",
    "crl_distribution_points": "issuer/{}/crl/der",
    "ocsp_servers": "ocsp",
}


def missing_pointers(check: MountCheck) -> Iterator[HealthFinding]:
    """Yield the issuers whose certificates name no CRL and no OCSP responder, or no CA."""
    for issuer in check.mount.keyed():
        if "issuing-certificates" not in issuer.usages:
            continue
        fields, own = urls_of(check.mount, issuer)
        lacks = []
        if not fields.get("crl_distribution_points") and not fields.get("ocsp_servers"):
            lacks.append("crl_distribution_points")
        if not fields.get("issuing_certificates"):
            lacks.append("issuing_certificates")
        endpoint = f"issuer/{issuer.identifier}"
        if lacks:
            message = f"Certificates of {issuer.label} carry no {' and no '.join(lacks)}"
            fix = _urls(
                check.mount.path, issuer.label if own else "", lacks, "https://vault.example.com:8200"
            )
            yield check.at(Gravity.INFORMATIONAL, endpoint, message, fix)
        else:
            message = f"Certificates of {issuer.label} say where its CA and its revocations are"
            yield check.at(Gravity.OK, endpoint, message)


def pointer_findings(
    pointer: Pointer, answer: FetchedAnswer, parameters: HealthParameters, now: datetime
) -> Iterator[HealthFinding]:
    """Yield the verdicts on one URL: what it answered, and how fresh that is."""
    problem = _failure(answer)
    if problem:
        grave = pointer.kind in (PointerKind.REVOCATIONS, PointerKind.OCSP)
        severity = Gravity.CRITICAL if grave else Gravity.WARNING
        yield _finding(pointer, severity, problem)
        return
    try:
        yield from list(_judged(pointer, answer, parameters, now))
    except UNDECODABLE:
        # Certificates and lists are decoded as they are looked at.
        yield _finding(pointer, Gravity.CRITICAL, "it answers what can't be decoded")


def _judged(
    pointer: Pointer, answer: FetchedAnswer, parameters: HealthParameters, now: datetime
) -> Iterator[HealthFinding]:
    if pointer.kind is PointerKind.AUTHORITY:
        yield _authority(pointer, answer.body)
    elif pointer.kind is PointerKind.REVOCATIONS:
        yield from _revocations(pointer, answer.body, parameters, now)
    elif pointer.kind is PointerKind.OCSP:
        yield _ocsp(pointer, answer.body, now)
    else:
        yield _acme(pointer, answer.body)


def skipped_finding(pointer: Pointer, severity: Gravity, why: str) -> HealthFinding:
    """Return the finding for a URL that isn't fetched."""
    instead = "" if severity.is_fine else "Look by hand whether it answers rightly"
    return _finding(pointer, severity, why, instead=instead)


def crl_end(body: bytes) -> datetime | None:
    """Return the nextUpdate of a CRL in DER or PEM; None if there is none, or it is no CRL."""
    try:
        return read_crls(body)[0].next_update_utc
    except UNDECODABLE:
        return None


def _failure(answer: FetchedAnswer) -> str:
    if answer.problem:
        return answer.problem
    return "" if answer.status == 200 else f"it answers {answer.status}"


def _finding(
    pointer: Pointer,
    severity: Gravity,
    message: str,
    fix: Mapping[str, Any] | None = None,
    instead: str = "",
) -> HealthFinding:
    if not severity.is_fine and not fix and not instead:
        fix, instead = _elsewhere(pointer)
    text = message if not pointer.issuer else f"{message} (for {pointer.issuer})"
    return HealthFinding(pointer.kind.value, severity, pointer.mount, pointer.url, text, fix or {}, instead)


def _elsewhere(pointer: Pointer) -> tuple[dict[str, Any], str]:
    """Return the lines for another URL, and "", or {} and what to do about one that can't be changed."""
    if pointer.from_certificate:
        return {}, "Mend what answers there: a CA certificate carries this URL, until the CA is rotated"
    field = FIELDS.get(pointer.kind)
    if field is None:
        address = f"https://reachable.example.com/v1/{pointer.mount}"
        return mount_fix(pointer.mount, cluster={"path": address}), ""
    own = pointer.issuer if pointer.is_own else ""
    return _urls(pointer.mount, own, [field], "http://reachable.example.com"), ""


def _urls(mount: str, issuer: str, fields: Iterable[str], server: str) -> dict[str, Any]:
    """Return the lines for URLs of the CA that signs: those of an issuer's own settings, or without one those
    of the mount, for whichever signs. A mount's own `crl` and `ca` are the default CA's alone."""
    address = f"{server}/v1/{mount}"
    if issuer:
        own = {field: [f"{address}/{_LAST[field].format(issuer)}"] for field in fields}
        return authority_fix(issuer, mount=mount, settings=own)
    urls = {field: ["{{cluster_aia_path}}/" + _LAST[field].format("{{issuer_id}}")] for field in fields}
    cluster = {"path": address, "aia_path": address}
    return mount_fix(mount, cluster=cluster, urls={"enable_templating": True, **urls})


def _authority(pointer: Pointer, body: bytes) -> HealthFinding:
    found = _certificates(body)
    if not found:
        return _finding(pointer, Gravity.WARNING, "it answers no certificate")
    default = pointer.default
    if pointer.authority not in found and default is not None and default.certificate in found:
        return _of_the_default(pointer, default, "CA", Gravity.WARNING)
    if pointer.authority not in found:
        names = ", ".join(one.subject.rfc4514_string() for one in found)
        return _finding(pointer, Gravity.CRITICAL, f"it answers another CA: {names}")
    if _PEM in body:
        message = "it answers PEM, which clients don't take there (RFC 5280, 4.2.2.1): use a path for DER"
        return _finding(pointer, Gravity.WARNING, message)
    return _finding(pointer, Gravity.OK, "it answers the right CA")


def _of_the_default(pointer: Pointer, default: MountDefault, what: str, grave: Gravity) -> HealthFinding:
    """Judge a URL that answers for the mount's default issuer alone, as `ca` and `crl` do; `grave` is what it
    is for an issuer that has signed."""
    if default.is_followed:
        message = f"it answers the {what} of {default.label}, until this one signs by default"
        return _finding(pointer, Gravity.NOT_APPLICABLE, message)
    harm = (
        "clients that look refuse certificates"
        if what == "list"
        else "clients that are sent no chain can't complete it for certificates"
    )
    instead = (
        f"Renew what {pointer.issuer} signed, or wait for its end; before the next rotation give each issuer "
        f"URLs of its own, by {{{{issuer_id}}}} ({docs_page('rotate-the-ca')})"
    )
    message = f"it answers the {what} of {default.label}, which signs by default: {harm} of the old one"
    return _finding(pointer, grave, message, instead=instead)


def _revocations(
    pointer: Pointer, body: bytes, parameters: HealthParameters, now: datetime
) -> Iterator[HealthFinding]:
    try:
        every = read_crls(body)
    except ValueError:
        yield _finding(pointer, Gravity.CRITICAL, "it answers no CRL")
        return
    found = next((one for one in every if _signs(pointer.authority, one)), every[0])
    if not _signs(pointer.authority, found):
        yield _strange_list(pointer, found)
        return
    end = found.next_update_utc
    if end is None or end <= now:
        said = "names no next one" if end is None else f"expired at {rfc3339(end)}"
        message = f"its CRL {said}: clients that check refuse everything"
        yield _finding(pointer, Gravity.CRITICAL, message, *_fresh_list(pointer))
    elif found.last_update_utc > now + CLOCK_SKEW:
        instead = "Set the clocks of this machine and of the CA by NTP"
        yield _finding(pointer, Gravity.WARNING, "its CRL begins in the future", instead=instead)
    elif _PEM in body:
        message = "it answers PEM, which clients don't take there (RFC 5280, 4.2.1.13): use the path for DER"
        yield _finding(pointer, Gravity.WARNING, message)
    else:
        yield _finding(pointer, Gravity.OK, f"it answers a CRL of the right CA, valid until {rfc3339(end)}")
    for carrier in pointer.carriers:
        entry = found.get_revoked_certificate_by_serial_number(carrier.serial_number)
        if entry is not None:
            yield _revoked(pointer, carrier, entry.revocation_date_utc)
    if end is not None and pointer.is_offline and parameters.is_enabled(_OFFLINE):
        yield _offline(pointer, end - now, parameters)


def _strange_list(pointer: Pointer, found: x509.CertificateRevocationList) -> HealthFinding:
    default = pointer.default
    if default is not None and _signs(default.certificate, found):
        return _of_the_default(pointer, default, "list", Gravity.CRITICAL)
    message = f"it answers a CRL that {pointer.authority.subject.rfc4514_string()} didn't sign"
    return _finding(pointer, Gravity.CRITICAL, message)


def _fresh_list(pointer: Pointer) -> tuple[dict[str, Any], str]:
    if pointer.is_offline:
        return {}, _SIGN_ANOTHER
    if pointer.from_certificate:
        return {}, "Publish the CA's present list there; Vault's own paths always answer with it"
    return mount_fix(pointer.mount, crl={"auto_rebuild": True}), ""


def _revoked(pointer: Pointer, carrier: x509.Certificate, since: datetime) -> HealthFinding:
    message = (
        f"its CRL revokes {carrier.subject.rfc4514_string()}, serial {carrier.serial_number:x}, since "
        f"{rfc3339(since)}: clients that look refuse all that this CA signed"
    )
    instead = f"Make its successor and issue everything again ({docs_page('ca-compromise')})"
    return _finding(replace(pointer, issuer=""), Gravity.CRITICAL, message, instead=instead)


_OFFLINE: Final = "offline_crl"
_SIGN_ANOTHER: Final = "Have the CA's keeper sign a new list now and publish it (vault-issuer root crl)"


def _offline(pointer: Pointer, left: timedelta, parameters: HealthParameters) -> HealthFinding:
    severity = parameters.gravity(_OFFLINE, "next_update", lambda bound: left < bound)
    name = pointer.authority.subject.rfc4514_string()
    message = (
        f"The CRL of {name}, whose key isn't in this Vault, lasts another {hours(max(left, timedelta()))}"
    )
    instead = "" if severity is Gravity.OK else _SIGN_ANOTHER
    return HealthFinding(_OFFLINE, severity, pointer.mount, pointer.url, message, instead=instead)


def _ocsp(pointer: Pointer, body: bytes, now: datetime) -> HealthFinding:
    try:
        response = ocsp.load_der_ocsp_response(body)
    except UNDECODABLE:
        return _finding(pointer, Gravity.CRITICAL, "it answers nothing in OCSP's form")
    if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        status = response.response_status.name.lower()
        return _finding(pointer, Gravity.CRITICAL, f"it answers {status}, by OCSP's own words")
    if not is_answered_by(response, pointer.authority, now):
        name = pointer.authority.subject.rfc4514_string()
        return _finding(pointer, Gravity.CRITICAL, f"its answer is signed by another than {name}")
    single = next(iter(response.responses), None)
    if single is None:
        return _finding(pointer, Gravity.CRITICAL, "its answer is about no certificate")
    end = single.next_update_utc
    if end is not None and end <= now:
        return _finding(pointer, Gravity.CRITICAL, f"its answer expired at {rfc3339(end)}")
    return _finding(
        pointer, Gravity.OK, f"it answers {single.certificate_status.name.lower()}, rightly signed"
    )


def _acme(pointer: Pointer, body: bytes) -> HealthFinding:
    try:
        directory = parse_json(body)
        is_directory = isinstance(directory, dict) and "newOrder" in directory
    except ValueError:
        is_directory = False
    if is_directory:
        return _finding(pointer, Gravity.OK, "ACME is on, and its directory answers")
    return _finding(pointer, Gravity.WARNING, "ACME is on, and this is no ACME directory")


def serial_for(mount: MountFacts, pointer: Pointer) -> int:
    """Return a serial number to ask an OCSP responder for: one that the mount stores, else any."""
    own = next((one for one in mount.leaves if signed_by(one, pointer.authority)), None)
    return own.serial_number if own is not None else pointer.authority.serial_number


def _certificates(body: bytes) -> list[x509.Certificate]:
    try:
        if _PEM in body:
            return x509.load_pem_x509_certificates(body)
        return [x509.load_der_x509_certificate(body)]
    except UNDECODABLE:
        pass
    try:
        return pkcs7.load_der_pkcs7_certificates(body)
    except UNDECODABLE:
        return []


def _signs(authority: x509.Certificate, found: x509.CertificateRevocationList) -> bool:
    if found.issuer != authority.subject:
        return False
    key = authority.public_key()
    try:
        return found.is_signature_valid(key)  # type: ignore[arg-type]
    except (TypeError, UnsupportedAlgorithm):
        return False
