"""Steps that make our issuers of cert-manager's Issuers and ClusterIssuers with `spec.vault`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from issuer.api.group import API_VERSION
from issuer.api.issuers import VaultIssuerSpec
from issuer.api.model import SpecError
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.plan import Action, Note, PlanStep, failure, info, loss
from issuer.migrate.read.inventory import CERT_MANAGER_GROUP, Inventory, Ref, inner, namespace_of
from issuer.migrate.steps.issuers.tenants import tenant_notes
from issuer.migrate.steps.metadata import new_metadata
from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection
from issuer.vault.paths import Mode, PathError, SignPath, auth_mount

_TYPES: Final = ("acme", "ca", "selfSigned", "vault", "venafi")


@dataclass(frozen=True, slots=True)
class Carried:
    """Issuer that is carried over, with its parsed spec."""

    ref: Ref
    spec: VaultIssuerSpec
    manifest: Object
    verbatim: bool
    source: str = ""


@dataclass(frozen=True, slots=True)
class Issuers:
    """All issuers that were read: carried over, of another type (by type), and refused."""

    carried: Mapping[Ref, Carried]
    others: Mapping[Ref, str]
    refused: Mapping[Ref, str]
    steps: tuple[PlanStep, ...]

    @property
    def any(self) -> bool:
        """Return True if any were read."""
        return bool(self.carried or self.others or self.refused)


def ref_of(document: Document) -> Ref:
    """Return the name of the issuer in a document."""
    return Ref(
        document.kind, "" if document.kind == "ClusterIssuer" else namespace_of(document), document.name
    )


def carry_issuers(inventory: Inventory) -> Issuers:
    """Carry issuers over; each has a step."""
    carried: dict[Ref, Carried] = {}
    others: dict[Ref, str] = {}
    refused: dict[Ref, str] = {}
    steps: list[PlanStep] = []
    for document in inventory.issuers:
        ref = ref_of(document)
        kinds = [kind for kind in _TYPES if kind in inner(document.data, "spec")]
        if kinds and "vault" not in kinds:
            others[ref] = " and ".join(kinds)
            note = info(
                f"its type is {others[ref]}: vault-issuer serves spec.vault alone, cert-manager goes on"
            )
            steps.append(PlanStep(Action.LEAVE, ref.old, "", (note,), source=document.source))
            continue
        one, notes = _carry(document, ref, kinds)
        if one is None:
            refused[ref] = "it can't be carried over"
            steps.append(PlanStep(Action.REFUSE, ref.old, "", notes, source=document.source))
            continue
        carried[ref] = one
        steps.append(_step(inventory, one, notes, document.source))
    return Issuers(carried, others, refused, tuple(steps))


def _step(inventory: Inventory, one: Carried, notes: tuple[Note, ...], source: str) -> PlanStep:
    there = inventory.has(one.manifest)
    if there is None:
        return PlanStep(Action.CREATE, one.ref.old, one.ref.new, notes, one.manifest, source=source)
    same = inner(there.data, "spec", "vault") == one.manifest["spec"]["vault"]
    note = info("ours is there already" + ("" if same else ", with another spec.vault; it stays as it is"))
    return PlanStep(Action.KEEP, one.ref.old, one.ref.new, (note,), source=source)


def _carry(document: Document, ref: Ref, kinds: list[str]) -> tuple[Carried | None, tuple[Note, ...]]:
    problems = list(_unreadable(document, kinds))
    if problems:
        return None, tuple(map(failure, problems))
    spec, dropped = known_part(document.data["spec"])
    unknown = [f"{path}: vault-issuer has no such field{_meant(spec, path)}" for path in dropped]
    try:
        parsed = VaultIssuerSpec.parse(spec, strict=True)
        problems = list(_unusable(parsed))
    except SpecError as error:
        problems = str(error).splitlines()
    if problems:
        return None, tuple(map(failure, (*unknown, *problems)))
    notes = [loss(f"{line}, it is left out") for line in unknown]
    metadata, more = new_metadata(document)
    manifest = {"apiVersion": API_VERSION, "kind": ref.new_kind, "metadata": metadata, "spec": spec}
    verbatim = SignPath.parse(parsed.vault.path).mode is Mode.VERBATIM
    one = Carried(ref, parsed, manifest, verbatim, document.source)
    own = (*_differences(parsed, verbatim), *tenant_notes(ref, parsed.vault))
    return one, (*notes, *own, *more)


def _unreadable(document: Document, kinds: list[str]) -> Iterator[str]:
    if document.api_version != f"{CERT_MANAGER_GROUP}/v1":
        yield f"apiVersion: {document.api_version} is not {CERT_MANAGER_GROUP}/v1; convert it first"
    if not isinstance(document.data.get("spec"), dict) or not kinds:
        yield "spec: names no type of issuer; spec.vault is wanted"
    if len(kinds) > 1:
        yield f"spec: has several types ({', '.join(kinds)}); cert-manager takes one"


def _unusable(spec: VaultIssuerSpec) -> Iterator[str]:
    """Yield what a spec's model accepts and a signer would refuse."""
    vault = spec.vault
    try:
        SignPath.parse(vault.path)
    except PathError as error:
        yield f"spec.vault.path: {error}"
    try:
        Connection(vault.server, namespace=vault.namespace).url()
    except InvalidConnection as error:
        yield f"spec.vault.server: {error}"
    try:
        _ = Connection(vault.server, server_name=vault.server_name or None).tls_name
    except InvalidConnection as error:
        yield f"spec.vault.{error}"
    method, _ = vault.auth.chosen()
    chosen = {
        "appRole": vault.auth.app_role,
        "clientCertificate": vault.auth.client_certificate,
        "kubernetes": vault.auth.kubernetes,
        "aws": vault.auth.aws,
    }.get(method)
    if chosen is not None:
        try:
            auth_mount(chosen.mount)
        except PathError as error:
            field = "path" if method == "appRole" else "mountPath"
            yield f"spec.vault.auth.{method}.{field}: {error}"


def _differences(spec: VaultIssuerSpec, verbatim: bool) -> Iterator[Note]:
    method, ignored = spec.vault.auth.chosen()
    if ignored:
        yield info(
            f"spec.vault.auth: {method} counts, as with cert-manager; {', '.join(ignored)} is not used"
        )
    if verbatim:
        yield info(
            "spec.vault.path: sign-verbatim signs whatever is asked, so a policy is the only guard, and a "
            "certificate must match its request exactly (spec.verification: Strict)"
        )
    if spec.vault.server.startswith("https") and not (
        spec.vault.ca_bundle or spec.vault.ca_bundle_secret_ref
    ):
        yield info("no CA bundle: Vault's certificate must be trusted by the CAs of the controller's image")


def known_part(spec: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the known fields of an issuer's spec, as they are written, and the paths of unknown ones.

    Nulls are left out, as the API server does.
    """
    part: dict[str, Any] = _without_nulls(copy.deepcopy(dict(spec)))
    dropped: list[str] = []
    try:
        # By the names of the API alone: what Python calls a field is no name for users.
        VaultIssuerSpec.model_validate(part, extra="forbid", by_alias=True, by_name=False)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_input=False):
            if problem["type"] == "extra_forbidden":
                dropped.append(".".join(["spec", *map(str, problem["loc"])]))
                _remove(part, problem["loc"])
    for key in [key for key in part if key != "vault"]:
        # Ours beside spec.vault: cert-manager doesn't know it, so it meant nothing there.
        dropped.append(f"spec.{key}")
        del part[key]
    return part, tuple(dropped)


def _meant(spec: Mapping[str, Any], path: str) -> str:
    """Return the known field, not given there, that an unknown one may be a misspelling of."""
    _, *parents, last = path.split(".")
    model: type[BaseModel] | None = VaultIssuerSpec
    for key in parents:
        model = _model_of(model, key) if model else None
    if model is None:
        return ""
    given = inner(spec, *parents)
    known = [name for field, one in model.model_fields.items() if (name := one.alias or field) not in given]
    found = get_close_matches(last, known, 1)
    return f' (did you mean "{found[0]}"?)' if found else ""


def _model_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """Return the model of a field, which may be optional."""
    field = next((one for one in model.model_fields.values() if one.alias == key), None)
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), None)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(one) for key, one in value.items() if one is not None}
    return value


def _remove(data: dict[str, Any], path: tuple[int | str, ...]) -> None:
    *parents, last = path
    for key in parents:
        data = data[key]  # type: ignore[index]
    del data[last]  # type: ignore[arg-type]
