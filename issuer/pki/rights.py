"""Least policies under which the commands that only read work, made from a file. Pure.

Help of a path, which a plan asks for too, needs no right (https://openbao.org/docs/concepts/policies/).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final

from issuer.pki.file.authority import Authority, Origin
from issuer.pki.file.model import PkiFile
from issuer.pki.file.rotations import Rotation, rotations_of
from issuer.pki.health.gathering import CONFIGS
from issuer.pki.plan.checks.acme import acme_reads
from issuer.pki.plan.planning import PlanInput
from issuer.pki.resources.audit import TABLE as AUDIT
from issuer.pki.resources.auth import ROLE_FOLDER
from issuer.pki.resources.mounts import AUTH, SECRETS, MountResource
from issuer.pki.resources.policies import rule_text
from issuer.pki.rotation.gathering import NEEDED, OPTIONAL
from issuer.pki.rotation.scope import about

_SUDO: Final = frozenset({AUDIT})
"""Paths whose reading Vault lets administrators alone do, by the capability `sudo`."""
READ: Final = "read"
LIST: Final = "list"
UPDATE: Final = "update"
DELETE: Final = "delete"
PATCH: Final = "patch"
SUDO: Final = "sudo"
_INSTALL: Final = "intermediate/set-signed"


class PkiCommand(StrEnum):
    """Commands whose rights are told."""

    PLAN = "plan"
    APPLY = "apply"
    VERIFY = "verify"
    HEALTH = "health"
    INVENTORY = "inventory"
    REVOKE = "revoke"
    ROTATE = "rotate"


def rights_for(command: PkiCommand, given: PlanInput, token_role: str | None) -> str:
    """Return the policy, in HCL, with which a command reads all that it looks at, and `apply` writes what it
    makes. `token_role` makes the trial tokens of `verify`."""
    if command is PkiCommand.HEALTH:
        return _text(_health(given.file))
    if command is PkiCommand.INVENTORY:
        return _text(_inventory(given.file))
    if command is PkiCommand.REVOKE:
        return _text(_revoke(given.file))
    if command is PkiCommand.ROTATE:
        return _text(rule for one in rotations_of(given.file) for rule in _rotate(given.file, one))
    rules = list(_plan(given))
    if command is PkiCommand.APPLY:
        rules += _apply(given)
    if command is PkiCommand.VERIFY:
        rules += _verify(given.file, token_role)
    return _text(rules)


def trial_role(file: PkiFile, name: str) -> str:
    """Return, as a comment, the call that makes a token role for the trial tokens of a file's policies."""
    policies = ",".join(file.foundation.policies)
    return (
        "# The token role that makes the trial tokens:\n"
        f"#   vault write auth/token/roles/{name} token_type=batch orphan=true renewable=false \\\n"
        f"#     allowed_policies={policies}\n"
    )


Rule = tuple[str, str]
"""A path of a policy, and a capability on it."""


def _plan(given: PlanInput) -> Iterator[Rule]:
    yield SECRETS, READ
    for resource in given.resources:
        for path in resource.reads():
            yield path, LIST if path.endswith("/") else READ
    for prunable in given.prunables:
        yield prunable.path, LIST
        if prunable.table:
            yield prunable.table, READ
    for part, _, authority in given.file.all_authorities():
        if part in given.parts:
            yield f"{authority.mount}/keys/", LIST
            yield f"{authority.mount}/issuers/", LIST
    for _, path in acme_reads(given.file, given.parts):
        yield path, LIST


def _apply(given: PlanInput) -> Iterator[Rule]:
    for resource in given.resources:
        made, changed = resource.writes(None), resource.writes({})
        for write in (*made, *changed):
            yield write.path, UPDATE
            if isinstance(resource, MountResource) and resource.table == AUTH:
                yield write.path, SUDO
    for prunable in given.prunables:
        yield f"{prunable.path}+", DELETE
    by_name = {name: one for _, name, one in given.file.all_authorities()}
    for part, _, authority in given.file.all_authorities():
        if part in given.parts:
            yield from _made(authority, by_name)


def _made(authority: Authority, by_name: Mapping[str, Authority]) -> Iterator[Rule]:
    if authority.origin is Origin.EXISTING:
        return
    yield from _making(authority)
    if authority.signed_by is not None:
        yield from _signing(authority.signed_by, by_name[authority.signed_by].mount)


def _making(authority: Authority) -> Iterator[Rule]:
    mount = authority.mount
    yield f"{mount}/keys/", LIST
    yield f"{mount}/issuers/", LIST
    # Issuers and keys are found by ids, which nobody knows before they are made.
    for verb in (READ, UPDATE, DELETE):
        yield f"{mount}/issuer/+", verb
    yield f"{mount}/config/issuers", READ
    yield f"{mount}/config/issuers", UPDATE
    calls = {
        Origin.ROOT: ("root/generate/internal", "root/generate/existing"),
        Origin.IMPORTED: ("issuers/import/bundle", "key/+", _INSTALL),
    }.get(authority.origin, ("intermediate/generate/internal", "intermediate/generate/existing", _INSTALL))
    for call in calls:
        yield f"{mount}/{call}", UPDATE


def _signing(signer: str, mount: str) -> Iterator[Rule]:
    yield f"{mount}/issuer/{signer}", READ
    yield f"{mount}/issuer/{signer}/sign-intermediate", UPDATE
    # What an interrupted run had signed is found, and one too many is revoked.
    yield f"{mount}/certs/", LIST
    yield f"{mount}/cert/+", READ
    yield f"{mount}/revoke", UPDATE


def _verify(file: PkiFile, token_role: str | None) -> Iterator[Rule]:
    by_name = {name: one for _, name, one in file.all_authorities()}
    for authority in by_name.values():
        if authority.origin is Origin.SIGNED and authority.signed_by in by_name:
            signer = by_name[authority.signed_by].mount
            yield f"{signer}/config/urls", READ
            yield f"{signer}/certs/", LIST
            yield f"{signer}/cert/+", READ
    if file.foundation.policies:
        yield "sys/capabilities", UPDATE
        yield "auth/token/create" if token_role is None else f"auth/token/create/{token_role}", UPDATE


def _health(file: PkiFile) -> Iterator[Rule]:
    yield AUTH, READ
    for _, mount, _ in file.all_mounts():
        yield f"sys/mounts/{mount}/tune", READ
        yield f"{mount}/tidy-status", READ
        for name in ("issuers", "roles", "certs"):
            yield f"{mount}/{name}/", LIST
        for name in CONFIGS:
            yield f"{mount}/config/{name}", READ
        for path in ("issuer/+", "issuer/+/crl", "issuer/+/crl/delta", "key/+", "roles/+", "cert/+"):
            yield f"{mount}/{path}", READ
    for path, method in file.foundation.auth.items():
        folder = f"auth/{path}/{ROLE_FOLDER[method.type]}"
        yield f"{folder}/", LIST
        yield f"{folder}/+", READ
    if file.foundation.auth or file.foundation.policies:
        yield "sys/policies/acl/+", READ


def _inventory(file: PkiFile) -> Iterator[Rule]:
    yield SECRETS, READ
    for _, mount, _ in file.all_mounts():
        for name in ("roles", "certs"):
            yield f"{mount}/{name}/", LIST
        for path in ("cert/+", "roles/+", "config/auto-tidy", "tidy-status"):
            yield f"{mount}/{path}", READ


def _revoke(file: PkiFile) -> Iterator[Rule]:
    yield SECRETS, READ
    for _, mount, _ in file.all_mounts():
        yield f"{mount}/cert/+", READ
        yield f"{mount}/config/crl", READ
        yield f"{mount}/revoke", UPDATE


def _rotate(file: PkiFile, rotation: Rotation) -> Iterator[Rule]:
    """Yield what one rotation reads, makes and removes: from its preparation to the old CA's removal."""
    mount = rotation.mount
    yield SECRETS, READ
    yield f"sys/mounts/{mount}/tune", READ
    for path in (*NEEDED, *OPTIONAL, "certs/"):
        yield f"{mount}/{path}", LIST if path.endswith("/") else READ
    for path in ("cert/+", "roles/+"):
        yield f"{mount}/{path}", READ
    by_name = {name: one for _, name, one in file.all_authorities()}
    yield from _made(by_name[rotation.new], by_name)
    for verb in (READ, DELETE, PATCH):
        yield f"{mount}/issuer/+", verb
    for path in ("config/issuers", "config/keys", "key/+"):
        yield f"{mount}/{path}", UPDATE
    yield f"{mount}/key/+", DELETE
    above = [one for one in about(file, rotation).all_authorities() if one[2].mount != mount]
    for _, name, authority in above:
        for path in ("keys/", "issuers/"):
            yield f"{authority.mount}/{path}", LIST
        yield f"{authority.mount}/issuer/{name}", READ


def _text(rules: Iterable[Rule]) -> str:
    verbs: dict[str, dict[str, None]] = {}
    for path, verb in rules:
        verbs.setdefault(path, {})[verb] = None
        if path in _SUDO:
            verbs[path]["sudo"] = None
    return "".join(rule_text(path, held) for path, held in sorted(verbs.items()))
