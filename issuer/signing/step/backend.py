"""The backend of StepIssuers and StepClusterIssuers: Smallstep's step-ca.

Describing an issuer imports nothing that talks to step-ca; `connector` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from issuer.api.issuers import IssuerSpec
from issuer.api.server import host_at, server_at, with_https
from issuer.api.step import (
    ClusterPasswordRef,
    StepClusterIssuerSpec,
    StepClusterProvisioner,
    StepIssuerSpec,
)
from issuer.kube.client import KubeClient
from issuer.requests.issuers import STEP_KINDS, IssuerKind
from issuer.signing.backend import STATUS_FIELDS, Backend, Connector, IssuerPart, LoggedIn, Summary
from issuer.signing.profile import SigningProfile
from issuer.signing.settings import BackendSettings
from issuer.signing.step.parts import issuer_parts
from issuer.signing.step.profile import signing_profile
from issuer.signing.step.reasons import STEP_REASONS, StepOutage


class StepBackend(Backend):
    """Signs for StepIssuers and StepClusterIssuers; see `issuer.signing.backend.Backend`."""

    name: str = "step"
    kinds: tuple[IssuerKind, ...] = STEP_KINDS
    status_fields: frozenset[str] = STATUS_FIELDS
    reasons = STEP_REASONS
    unreachable = StepOutage.STEP_CA_UNREACHABLE

    def parse(self, spec: Mapping[str, Any]) -> StepIssuerSpec:
        """Return the spec of an issuer. Raises SpecError, with one line for each bad field."""
        return StepClusterIssuerSpec.parse(_with_scheme(spec))

    def profile(self, spec: IssuerSpec) -> SigningProfile:
        """Return how an issuer signs: by its provisioner, and no CA certificates."""
        return signing_profile(_ours(spec))

    def ready_message(self, spec: IssuerSpec) -> str:
        """Return the provisioner of an issuer that was just checked."""
        return f'provisioner "{_ours(spec).provisioner.name}" is ready to sign'

    def server(self, spec: Mapping[str, Any]) -> str:
        """Return `host:port` of `spec.url`, empty where none can be read."""
        return server_at(with_https(spec.get("url")))

    def secrets(self, spec: IssuerSpec) -> tuple[str, ...]:
        """Return the Secrets of password and key, and of `spec.trustedCA`."""
        provisioner, trusted = _ours(spec).provisioner, spec.trusted_ca
        references = (
            provisioner.password,
            provisioner.key_ref,
            None if trusted is None else trusted.secret_ref,
        )
        return tuple(dict.fromkeys(one.name for one in references if one is not None and one.name))

    def home(self, spec: IssuerSpec) -> str:
        """Return `passwordRef.namespace`."""
        reference = _ours(spec).provisioner.password
        named = reference.namespace if isinstance(reference, ClusterPasswordRef) else None
        return named or ""

    def only_in_process(self, spec: IssuerSpec) -> str:
        """Return the variable or file that holds the password."""
        provisioner = _ours(spec).provisioner
        if not isinstance(provisioner, StepClusterProvisioner) or provisioner.password is not None:
            return ""
        if provisioner.password_env:
            return f"the variable {provisioner.password_env}"
        return f'the file "{provisioner.password_file}"' if provisioner.password_file else ""

    def summary(self, spec: Mapping[str, Any]) -> Summary:
        """Return server and provisioner as far as they can be read."""
        url, provisioner = with_https(spec.get("url")), spec.get("provisioner")
        name = provisioner.get("name") if isinstance(provisioner, dict) else ""
        return Summary(
            host_at(url), name if isinstance(name, str) else "", url if isinstance(url, str) else ""
        )

    def parts(self, spec: IssuerSpec, home: str = "") -> tuple[IssuerPart, ...]:
        """Return credentials, server, provisioner, key and token."""
        return issuer_parts(_ours(spec), home)

    def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
        """Return what reads passwords and opens signers of step-ca."""
        from issuer.signing.step.connector import StepConnector

        return StepConnector(client, settings, logged_in)


def _with_scheme(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a spec whose address has a scheme: step-ca's own client takes one without for https."""
    return {**spec, "url": with_https(spec["url"])} if "url" in spec else spec


def _ours(spec: IssuerSpec) -> StepIssuerSpec:
    return cast("StepIssuerSpec", spec)
