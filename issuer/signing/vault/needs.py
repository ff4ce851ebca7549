"""Secrets and ServiceAccounts that a `spec.vault` refers to. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from issuer.api.secrets import DEFAULT_CA_KEY, SecretKeySelector
from issuer.api.vault import (
    DEFAULT_CERTIFICATE_KEY,
    DEFAULT_PRIVATE_KEY_KEY,
    DEFAULT_TOKEN_KEY,
    ServiceAccountRef,
    VaultSpec,
)


@dataclass(frozen=True, slots=True)
class Needs:
    """Secrets with the keys read of each, and the ServiceAccount, that an issuer's login and TLS refer to."""

    secrets: Mapping[str, tuple[str, ...]]
    account: ServiceAccountRef | None


def needs_of(vault: VaultSpec) -> Needs:
    """Return what a `spec.vault` refers to. Methods that are set beside the one that counts need nothing."""
    keys: dict[str, list[str]] = {}
    for name, key in _secret_keys(vault):
        keys.setdefault(name, [])
        if key not in keys[name]:
            keys[name].append(key)
    method, _ = vault.auth.chosen()
    account = None
    if method == "kubernetes" and vault.auth.kubernetes:
        account = vault.auth.kubernetes.service_account_ref
    elif method == "aws" and vault.auth.aws:
        account = vault.auth.aws.service_account_ref
    return Needs({name: tuple(found) for name, found in keys.items()}, account)


def _secret_keys(vault: VaultSpec) -> Iterator[tuple[str, str]]:
    def one(reference: SecretKeySelector | None, default: str) -> Iterator[tuple[str, str]]:
        if reference is not None and reference.name:
            yield reference.name, reference.key or default

    auth = vault.auth
    method, _ = auth.chosen()
    if method == "tokenSecretRef":
        yield from one(auth.token_secret_ref, DEFAULT_TOKEN_KEY)
    elif method == "appRole" and auth.app_role:
        yield from one(auth.app_role.role_id_secret_ref, "roleId")
        yield from one(auth.app_role.secret_ref, "secretId")
    elif method == "kubernetes" and auth.kubernetes:
        yield from one(auth.kubernetes.secret_ref, DEFAULT_TOKEN_KEY)
    elif method == "clientCertificate" and auth.client_certificate and auth.client_certificate.secret_name:
        yield auth.client_certificate.secret_name, DEFAULT_CERTIFICATE_KEY
        yield auth.client_certificate.secret_name, DEFAULT_PRIVATE_KEY_KEY
    yield from one(vault.ca_bundle_secret_ref, DEFAULT_CA_KEY)
    yield from one(vault.client_cert_secret_ref, DEFAULT_CERTIFICATE_KEY)
    yield from one(vault.client_key_secret_ref, DEFAULT_PRIVATE_KEY_KEY)
