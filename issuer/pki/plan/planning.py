"""Resources, authorities and what was read become a plan. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from issuer.pki.authorities.certificates import other_key, rotation_needs
from issuer.pki.authorities.identity import AuthorityProgress, identify
from issuer.pki.authorities.parts import read_cas
from issuer.pki.errors import OtherAuthority
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.plan.checks.acme import acme_problems
from issuer.pki.plan.checks.certificates import certificate_problems
from issuer.pki.plan.checks.context import PlanContext
from issuer.pki.plan.checks.granted import grant_problems
from issuer.pki.plan.checks.role_dates import role_date_problems
from issuer.pki.plan.checks.signers import authority_limits, signer_problems
from issuer.pki.plan.desired import BOTH, authorities_top_down
from issuer.pki.plan.fields import Offers, check_fields
from issuer.pki.plan.imports import (
    Brought,
    Chains,
    brought_certificates,
    files_sha256,
    hold_bundle,
    renewed,
    shown_certificate,
)
from issuer.pki.plan.pruning import Prunable
from issuer.pki.plan.rotations import rotated_step
from issuer.pki.plan.step import PkiStep, StepAction
from issuer.pki.resources.audit import AuditResource, stanza
from issuer.pki.resources.issuers import IssuerResource
from issuer.pki.resources.mounts import SECRETS
from issuer.pki.resources.resource import FieldChange, Order, VaultResource
from issuer.pki.secret import HIDDEN
from issuer.pki.server.reading import VaultReading
from issuer.site import docs_page
from issuer.x509.certificates import unread_part

_CHECKS: Final = (signer_problems, certificate_problems, role_date_problems, acme_problems, grant_problems)


@dataclass(frozen=True, slots=True)
class PkiPlan:
    """Steps in the order of an apply; `problems` are what stops it, `notes` what couldn't be checked, a
    line each. The problems are paths that may not be read, and `contradictions` of Vault and the file."""

    steps: tuple[PkiStep, ...]
    read_sha256: str
    file_sha256: str
    imports_sha256: str = ""
    """SHA-256 of the certificates that it imports from files."""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    contradictions: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Return True if the file names nothing, and nothing was found wrong."""
        return not (self.steps or self.problems or self.contradictions)

    @property
    def applied(self) -> tuple[PkiStep, ...]:
        """The steps that an apply does."""
        return tuple(one for one in self.steps if one.action.applies)

    @property
    def left(self) -> tuple[PkiStep, ...]:
        """The steps that nobody does here: by hand, or by a rotation."""
        return tuple(
            one for one in self.steps if not one.action.applies and one.action is not StepAction.NONE
        )

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, without secrets and without what is unchanged."""
        return {
            "version": 1,
            "fileSHA256": self.file_sha256,
            "readSHA256": self.read_sha256,
            "importsSHA256": self.imports_sha256,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "steps": [
                one.to_json() for one in self.steps if one.action is not StepAction.NONE or one.not_comparable
            ],
        }


NOT_COMPARED: Final = "set, can't be compared"
"""Words for a value that Vault holds and never gives back."""


@dataclass(frozen=True, slots=True)
class PlanInput:
    """The checked file with its places, its resources, which parts are wanted, and what is pruned."""

    file: PkiFile
    places: Places
    resources: tuple[VaultResource, ...]
    file_sha256: str
    parts: Collection[Part] = BOTH
    prunables: tuple[Prunable, ...] = ()
    resend: bool = False
    """Fields that Vault never gives back are sent again."""
    chains: Chains = field(default_factory=dict)
    """Certificates of the bundles that are there, by authority."""
    brought: Brought = field(default_factory=dict)
    """Files that an offline CA gave back, by authority."""
    is_rotation: bool = False
    """CAs that replace others are made now: the plan is a rotation's own."""

    def settled(self, reading: VaultReading) -> PlanInput:
        """Return it with what rotations have set so far as what is wanted."""
        return replace(self, resources=tuple(one.settled(reading) for one in self.resources))


def plan_of(given: PlanInput, reading: VaultReading, offers: Offers, now: datetime) -> PkiPlan:
    """Return the plan that brings Vault from what was read to what the file says. `offers` are the fields
    that the server has."""
    given = given.settled(reading)
    refusals = [f"The token may not read {path}: {why}" for path, why in reading.refused.items()]
    fields = check_fields(given.resources, reading, offers, given.places)
    problems = [*fields.problems]
    steps = [step for one in given.resources for step in _resource_steps(given, one, reading, problems)]
    for part, name in authorities_top_down(given.file, given.parts):
        authority = _authority(given.file, name)
        try:
            steps.append(_authority_step(part, name, authority, given, reading))
        except OtherAuthority as error:
            key = error.key or ("spkiSHA256" if authority.spki_sha256 is not None else "mount")
            problems.append(f"{given.places.told(*path_in_file(part, 'authorities', name, key))} {error}")
    brought = {name: brought_certificates(content) for name, content in given.brought.items()}
    limits = authority_limits(given.file, steps, reading, given.chains, now)
    context = PlanContext(
        given.file, given.places, given.parts, steps, reading, limits, {**brought, **given.chains}, now
    )
    problems += [problem for check in _CHECKS for problem in check(context)]
    steps += [step for one in given.prunables for step in one.steps(reading)]
    steps.sort(key=lambda one: one.order)  # stable: authorities stay top down
    return PkiPlan(
        steps=tuple(steps),
        read_sha256=reading.sha256(),
        file_sha256=given.file_sha256,
        imports_sha256=files_sha256(steps, given.chains, given.brought),
        problems=(*refusals, *problems),
        notes=(*fields.notes, *_told_of_unchanged(steps)),
        contradictions=tuple(problems),
    )


def _told_of_unchanged(steps: Iterable[PkiStep]) -> Iterator[str]:
    """Yield the notes of what stays as it is."""
    for one in steps:
        if one.action is StepAction.NONE and one.note:
            yield f"{one.place} {one.path} {one.note}"


def _resource_steps(
    given: PlanInput, resource: VaultResource, reading: VaultReading, problems: list[str]
) -> Iterator[PkiStep]:
    if any(path in reading.refused for path in resource.reads()):
        return
    current = resource.current(reading)
    if isinstance(resource, IssuerResource) and current is None:
        return  # set with its name, when the CA is made
    if isinstance(resource, AuditResource):
        yield _audit_step(given, resource, current, reading)
        return
    obstacle = resource.obstacle(reading)
    if obstacle:
        problems.append(f"{resource.place} {resource.path} {obstacle}")
        return
    changes = resource.changes(current)
    if given.resend and current is not None:
        changes += tuple(FieldChange(name, NOT_COMPARED, HIDDEN) for name in resource.not_comparable())
    action = StepAction.NONE
    if current is None:
        action = StepAction.CREATE
    elif changes:
        action = StepAction.CHANGE
    yield _step(resource, action, changes, writes=action.applies, current=current)


def _step(
    resource: VaultResource,
    action: StepAction,
    changes: Iterable[FieldChange],
    *,
    writes: bool,
    current: Any,
    note: str = "",
) -> PkiStep:
    return PkiStep(
        action=action,
        kind=resource.kind,
        path=resource.path,
        order=resource.order,
        part=resource.part,
        place=str(resource.place),
        changes=tuple(changes),
        not_comparable=resource.not_comparable() if current is not None else (),
        note=note,
        writes=resource.writes(current) if writes else (),
    )


def _audit_step(
    given: PlanInput, resource: AuditResource, current: Mapping[str, Any] | None, reading: VaultReading
) -> PkiStep:
    if current is not None:
        told = resource.differences(current)
        note = f"differs: {told}. A device that is there is never changed; change it by hand" if told else ""
        return _step(resource, StepAction.NONE, (), writes=False, current={}, note=note)
    if is_openbao(reading):
        name = resource.path.removeprefix("sys/audit/")
        note = "OpenBao takes audit devices from its configuration alone. Add there, and reload it:\n"
        note += stanza(name, given.file.foundation.audit[name])
        return _step(resource, StepAction.BY_HAND, (), writes=False, current=None, note=note)
    return _step(resource, StepAction.CREATE, resource.changes(None), writes=True, current=None)


def is_openbao(reading: VaultReading) -> bool:
    """Return True if the mounts' plugins say that the server is OpenBao."""
    tables = reading.data(SECRETS) or {}
    return any(
        str(entry.get("running_plugin_version", "")).endswith("builtin.bao")
        for entry in tables.values()
        if isinstance(entry, dict)
    )


def _authority(file: PkiFile, name: str) -> Authority:
    return file.foundation.authorities.get(name) or file.authorities[name]


def _authority_step(
    part: Part, name: str, authority: Authority, given: PlanInput, reading: VaultReading
) -> PkiStep:
    mount = authority.mount
    rotated = None if given.is_rotation else rotated_step(part, name, given.file, given.places, reading)
    if rotated is not None:
        return rotated
    identity = identify(name, authority, reading.data(f"{mount}/keys/"), reading.data(f"{mount}/issuers/"))
    read = reading.data(f"{mount}/issuer/{name}")
    changes: tuple[FieldChange, ...] = ()
    action, note = StepAction.CREATE, f"origin: {authority.origin.value}"
    if identity.progress is AuthorityProgress.DONE:
        action, note = StepAction.NONE, ""
        if read is not None:
            changes, note = _standing(name, authority, given, str(read.get("certificate")))
        if changes:
            action = StepAction.ROTATE
    elif identity.progress is AuthorityProgress.ABSENT:
        if authority.spki_sha256 is not None and authority.imported is None:
            raise OtherAuthority(
                f"mount {mount} has no such key, and a key that Vault makes can't be the one of spkiSHA256. "
                f"Restore it by {mount}/keys/import as key_name={authority.key_name or name}, or remove "
                "spkiSHA256"
            )
    else:
        action, note = StepAction.RESUME, f"an earlier run left: {identity.progress.value}"
    return PkiStep(
        action=action,
        kind="authority",
        path=f"{mount}/issuer/{name}",
        order=Order.AUTHORITY,
        part=part,
        place=str(given.places.of(*path_in_file(part, "authorities", name))),
        changes=changes or _shown(name, authority, given, action),
        note=note,
        authority=name,
    )


def _standing(
    name: str, authority: Authority, given: PlanInput, pem: str
) -> tuple[tuple[FieldChange, ...], str]:
    """Return what the certificate of a CA that stands lacks of the file, and a note.

    Raises OtherAuthority if it has another key.
    """
    (certificate,) = read_cas([pem], f"{authority.mount}/issuer/{name}")
    problem = other_key(authority, certificate)
    if problem:
        raise OtherAuthority(problem)
    part = unread_part(certificate)
    if part and not authority.existing:
        return (), f"can't be compared with the file: {part}"
    chain = given.chains.get(name, ())
    hold_bundle(name, authority, certificate, chain)
    needs = tuple(rotation_needs(authority, certificate))
    if needs:
        return needs, f"only a new certificate could bring this: {docs_page('rotate-the-ca')}"
    brought = brought_certificates(given.brought.get(name, b""))
    return renewed(authority.mount, name, certificate, (*chain, *brought))


def _shown(name: str, authority: Authority, given: PlanInput, action: StepAction) -> tuple[FieldChange, ...]:
    """Return what a CA will be, for the reviewer of the step that makes it or goes on with it."""
    if not action.applies:
        return ()
    chain = given.chains.get(name) or brought_certificates(given.brought.get(name, b""))
    if chain:
        return shown_certificate(chain)
    return _wanted(authority) if action is StepAction.CREATE else ()


def _wanted(authority: Authority) -> tuple[FieldChange, ...]:
    found = []
    if authority.subject is not None:
        found.append(FieldChange("subject", None, authority.subject.common_name))
    if authority.imported is None:
        found.append(
            FieldChange("key", None, f"{authority.key.type} {authority.key.size}".removesuffix(" 0"))
        )
    if authority.lifetime is not None:
        found.append(FieldChange("lifetime", None, f"{authority.lifetime // 3600}h"))
    if authority.max_path_length is not None:
        found.append(FieldChange("maxPathLength", None, authority.max_path_length))
    if authority.signed_by is not None:
        found.append(FieldChange("signedBy", None, authority.signed_by))
    return tuple(found)
