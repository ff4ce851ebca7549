"""Turns everything that was read into a document."""

from __future__ import annotations

from collections.abc import Mapping

from issuer.pki.authorities.parts import shown_name
from issuer.pki.export.access import audit_of, describe_auth, policies_of
from issuer.pki.export.authorities import FoundIssuer, depth, described, existing, found_issuers, signer_of
from issuer.pki.export.choice import ExportChoice
from issuer.pki.export.document import ExportDocument
from issuer.pki.export.mounts import describe_mount, refused, roles_of
from issuer.pki.export.reading import other_auth_mounts, pki_mounts
from issuer.pki.file.model import Part
from issuer.pki.file.place import Path
from issuer.pki.server.reading import VaultReading

_FOUNDATION = Part.FOUNDATION.value


def build(reading: VaultReading, choice: ExportChoice) -> ExportDocument:
    """Return the document of what was read and chosen."""
    document = ExportDocument()
    if choice.prefix:
        document.put(("prefix",), choice.prefix)
    mounts = pki_mounts(reading, choice)
    issuers = found_issuers(reading, mounts)
    roots = {one.mount for one in issuers if _is_root(one)}
    places = {one: (_FOUNDATION, "mounts", one) if one in roots else ("mounts", one) for one in mounts}
    devices = audit_of(document, reading)
    if devices:
        document.admit((_FOUNDATION, "audit"), devices)
    for mount, where in places.items():
        describe_mount(document, reading, where, mount)
    named = _describe_authorities(document, issuers)
    for mount, where in places.items():
        _describe_default(document, reading, where, mount, named)
        document.admit((*where, "roles"), roles_of(document, reading, where, mount))
    policies = policies_of(document, reading, choice, mounts)
    without = document.admit((_FOUNDATION, "policies"), policies)
    describe_auth(document, reading, choice, policies.keys() - without)
    for mount, kind in other_auth_mounts(reading, choice):
        document.leave_out(
            (_FOUNDATION,), f"Left out: auth/{mount} of type {kind}, which a file can't describe"
        )
    return document


def _is_root(issuer: FoundIssuer) -> bool:
    return issuer.self_signed and bool(issuer.key_id) and not issuer.why_existing


def _describe_authorities(document: ExportDocument, issuers: list[FoundIssuer]) -> dict[str, str]:
    """Put all issuers, each after its signer; return their names by id."""
    for issuer in sorted(issuers, key=lambda one: depth(one, issuers)):
        where: Path = (_FOUNDATION, "authorities") if _is_root(issuer) else ("authorities",)
        path = (*where, issuer.name)
        why = issuer.why_existing
        if not why:
            try:
                why = document.try_put(path, described(issuer, issuers))
            except ValueError as error:
                why = str(error)
        if why:
            path = ("authorities", issuer.name)
            document.put(path, existing(issuer))
            document.comment(path, f"Described as existing: {why}")
        else:
            _tell_signer(document, path, issuer, issuers)
        if path[-1] == issuer.issuer_id:
            document.comment(path, f"Subject: {shown_name(issuer.certificate)}")
    return {one.issuer_id: one.name for one in issuers}


def _tell_signer(
    document: ExportDocument, path: Path, issuer: FoundIssuer, issuers: list[FoundIssuer]
) -> None:
    if not issuer.self_signed and signer_of(issuer, issuers) is None:
        document.comment(
            path,
            f"Signed by {shown_name(issuer.certificate, of_issuer=True)}, which is not in this file. If its "
            "key came in a bundle, write import: {bundle: FILE} in place of offline, subject, key and "
            "lifetime.",
        )


def _describe_default(
    document: ExportDocument, reading: VaultReading, where: Path, mount: str, named: Mapping[str, str]
) -> None:
    path = f"{mount}/config/issuers"
    if refused(document, reading, where, path):
        return
    read = reading.data(path) or {}
    name = named.get(str(read.get("default", "")))
    if read.get("default_follows_latest_issuer"):
        document.leave_out(
            where,
            "Left out: defaultIssuer, as default_follows_latest_issuer lets each new issuer become it",
        )
    elif name is not None:
        why = document.try_put((*where, "defaultIssuer"), name)
        if why:
            document.leave_out(where, why)
