"""Steps that make our issuers of step-issuer's StepIssuers and StepClusterIssuers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from pydantic import Field
from yarl import URL

from issuer.api.group import API_VERSION
from issuer.api.model import ApiModel, SpecError, parse_model
from issuer.api.server import with_https
from issuer.api.step import StepClusterIssuerSpec, StepIssuerSpec
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.options import Options
from issuer.migrate.plan import Note, failure, info, loss, todo
from issuer.migrate.read.inventory import Ref, inner
from issuer.migrate.steps.issuers.carried import Carried
from issuer.migrate.steps.issuers.fields import known_part, meant
from issuer.migrate.steps.issuers.tenants import server_note
from issuer.migrate.steps.metadata import new_metadata
from issuer.signing.vault.needs import Needs
from issuer.step.connection import StepConnection, bundle_pem
from issuer.transport.errors import InvalidConnection

_VERSION: Final = "certmanager.step.sm/v1beta1"
_SOURCES: Final = ("passwordRef", "passwordEnv", "passwordFile")


class _PasswordRef(ApiModel):
    name: str = Field(min_length=1)
    namespace: str = ""
    key: str = Field(min_length=1)


class _Provisioner(ApiModel):
    name: str = Field(min_length=1)
    kid: str = Field(min_length=1)
    password_ref: _PasswordRef | None = None
    password_env: str = ""
    password_file: str = ""


class _StepSpec(ApiModel):
    """Spec of step-issuer's kinds, as its controller takes it (api/v1beta1, controllers/*_controller.go)."""

    url: str = Field(min_length=1)
    provisioner: _Provisioner
    ca_bundle: str = ""


def carry_step(document: Document, ref: Ref, options: Options) -> tuple[Carried | None, tuple[Note, ...]]:
    """Return the successor of a step-issuer's issuer, None if it can't be carried over; and notes."""
    if document.api_version != _VERSION:
        return None, (failure(f"apiVersion: {document.api_version} is not {_VERSION}; convert it first"),)
    written = document.data.get("spec")
    spec, dropped = known_part(_StepSpec, written if isinstance(written, dict) else {})
    unknown = [f"{path}: vault-issuer has no such field{meant(_StepSpec, spec, path)}" for path in dropped]
    _drop_empty(inner(spec, "provisioner"))
    try:
        parsed = parse_model(_StepSpec, spec, "spec", strict=True)
        problems = list(_unusable(parsed, ref))
        if not problems:
            (StepIssuerSpec if ref.namespace else StepClusterIssuerSpec).parse(spec, strict=True)
    except SpecError as error:
        problems = str(error).splitlines()
    if problems:
        return None, tuple(map(failure, (*unknown, *problems)))
    notes = [*(loss(f"{line}, it is left out") for line in unknown), *_notes(parsed, ref)]
    home = _move(spec, ref, options)
    metadata, more = new_metadata(document)
    manifest = {"apiVersion": API_VERSION, "kind": ref.new_kind, "metadata": metadata, "spec": spec}
    secret = parsed.provisioner.password_ref
    needs = Needs({secret.name: (secret.key,)} if secret else {}, None)
    server = _server(parsed)
    one = Carried(
        ref,
        manifest,
        needs,
        "step-",
        server,
        "step-ca's provisioner",
        verbatim=True,  # for every name that its key asks for
        home=home,
        source=document.source,
    )
    return one, (*notes, *server_note(ref, "spec.url", *_host_and_port(parsed)), *more)


def _drop_empty(provisioner: Any) -> None:
    """Take out what Go writes for an absent password source: an empty text, or an object of empty texts."""
    for source in _SOURCES:
        value = provisioner.get(source)
        if value == "" or (isinstance(value, dict) and not any(value.values())):
            del provisioner[source]


def _move(spec: Object, ref: Ref, options: Options) -> str:
    """Name our namespace in a cluster issuer's passwordRef; return the one named before, "" for none."""
    reference: Any = inner(spec, "provisioner", "passwordRef")
    if not reference or ref.namespace:
        return ""
    home = str(reference.get("namespace", ""))
    reference["namespace"] = options.resource_namespace
    return home


def _unusable(spec: _StepSpec, ref: Ref) -> Iterator[str]:
    """Yield what step-issuer refuses as well, or what ours can't do."""
    provisioner = spec.provisioner
    given = [
        source
        for source, value in zip(
            _SOURCES,
            (provisioner.password_ref, provisioner.password_env, provisioner.password_file),
            strict=True,
        )
        if value
    ]
    if len(given) != 1:
        has = " and ".join(given) or "none"
        yield f"spec.provisioner: wants exactly one of {', '.join(_SOURCES)}, has {has}"
    elif ref.namespace and given[0] != "passwordRef":
        yield (
            f"spec.provisioner.{given[0]}: a StepIssuer of ours takes a password from a Secret of its "
            "namespace alone: put it there, or make it a StepClusterIssuer"
        )
    try:
        bundle = base64.b64decode(spec.ca_bundle.translate({10: None, 13: None}), validate=True)
    except binascii.Error:
        yield "spec.caBundle: is not base64; encode the PEM text with `base64 -w0`"
        return
    connection = StepConnection(with_https(spec.url), ca_pem=bundle_pem(bundle))
    for field, check in (("url", connection.url), ("caBundle", connection.left_out)):
        try:
            check()
        except InvalidConnection as error:
            yield f"spec.{field}: {error}"


def _notes(spec: _StepSpec, ref: Ref) -> Iterator[Note]:
    yield info(
        "step-ca's default template keeps a subject's common name alone and sets the usages itself: "
        "spec.verification says whether that is told or refused (Strict)"
    )
    if spec.provisioner.password_env:
        yield todo(
            "spec.provisioner.passwordEnv: give vault-issuer's container that variable, and name it in "
            "--password-variable (chart: clusterIssuers.passwordVariables)"
        )
    if spec.provisioner.password_file:
        yield todo(
            "spec.provisioner.passwordFile: mount that file in vault-issuer's pod, and name its folder in "
            "--password-folder (chart: clusterIssuers.passwordFolders)"
        )


def _host_and_port(spec: _StepSpec) -> tuple[str, int]:
    url = URL(with_https(spec.url))
    return url.raw_host or "", url.port or 443


def _server(spec: _StepSpec) -> str:
    url = URL(with_https(spec.url))
    return f"{url.host_subcomponent}:{url.port or 443}"
