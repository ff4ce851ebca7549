"""Steps that make our issuers of cert-manager's Issuers and ClusterIssuers with `spec.vault`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from issuer.api.group import API_VERSION
from issuer.api.issuers import VaultIssuerSpec
from issuer.api.model import SpecError
from issuer.manifests.documents import Document
from issuer.migrate.options import Options
from issuer.migrate.origins import CERT_MANAGER_GROUP
from issuer.migrate.plan import Note, failure, info, loss
from issuer.migrate.read.inventory import Ref, inner
from issuer.migrate.steps.issuers.carried import Carried
from issuer.migrate.steps.issuers.fields import known_part, meant
from issuer.migrate.steps.issuers.tenants import tenant_notes
from issuer.migrate.steps.metadata import new_metadata
from issuer.signing.vault.needs import needs_of
from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection
from issuer.vault.paths import Mode, PathError, SignPath, auth_mount

_TYPES: Final = ("acme", "ca", "selfSigned", "vault", "venafi")


def types_of(document: Document) -> list[str]:
    """Return the types of issuer that a spec of cert-manager names; it takes one."""
    spec = inner(document.data, "spec")
    return [kind for kind in _TYPES if kind in spec] if document.group == CERT_MANAGER_GROUP else []


def carry_vault(document: Document, ref: Ref, _: Options) -> tuple[Carried | None, tuple[Note, ...]]:
    """Return the successor of an issuer with `spec.vault`, None if it can't be carried over; and notes."""
    problems = list(_unreadable(document, types_of(document)))
    if problems:
        return None, tuple(map(failure, problems))
    spec, dropped = _known_part(document.data["spec"])
    unknown = [
        f"{path}: vault-issuer has no such field{meant(VaultIssuerSpec, spec, path)}" for path in dropped
    ]
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
    url = Connection(parsed.vault.server).url()
    one = Carried(
        ref,
        manifest,
        needs_of(parsed.vault),
        "",
        f"{url.host_subcomponent}:{url.port}",
        "sign-verbatim" if verbatim else "the Vault role",
        vault=parsed.vault,
        verbatim=verbatim,
        source=document.source,
    )
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


def _known_part(spec: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the known fields of a spec, and the paths of unknown ones.

    Ours beside `spec.vault` are among the latter: cert-manager doesn't know them; they meant nothing.
    """
    part, dropped = known_part(VaultIssuerSpec, spec)
    ours = [key for key in part if key != "vault"]
    for key in ours:
        del part[key]
    return part, (*dropped, *(f"spec.{key}" for key in ours))
