"""Login methods of issuers: `spec.vault.auth`, with the credentials that it refers to."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from issuer.api.secrets import SecretKeySelector
from issuer.api.vault import (
    DEFAULT_CERTIFICATE_KEY,
    DEFAULT_PRIVATE_KEY_KEY,
    DEFAULT_TOKEN_KEY,
    AppRoleAuth,
    AWSAuth,
    ClientCertificateAuth,
    KubernetesAuth,
    ServiceAccountRef,
    VaultSpec,
)
from issuer.requests.issuers import IssuerKey
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.secrets import NO_KEY_PAIRS, References
from issuer.signing.vault.reasons import VaultIssuerReason
from issuer.text import rfc3339
from issuer.transport.client_certificate import BadClientCertificate, ClientCertificate
from issuer.vault.login.ambient import AmbientCredentials
from issuer.vault.login.audiences import foreign_audience, own_audience
from issuer.vault.login.aws import STS_AUDIENCE, AWSCredentials, AWSIdentity, region_of
from issuer.vault.login.methods import AppRole, AuthMethod, CertificateLogin, Kubernetes, StaticToken
from issuer.vault.login.sts import TokenService

AUTH = "spec.vault.auth"


@dataclass(frozen=True, slots=True)
class Logins:
    """Builds the login of one issuer.

    `ambient`: it may log in by what the controller is (its AWS identity, or its address alone).
    """

    references: References
    key: IssuerKey
    vault: VaultSpec
    ambient: bool
    timeout: float

    async def method(self) -> AuthMethod:
        """Return the method that counts by cert-manager's order. Raises IssuerBroken or Retry, as References
        do."""
        auth = self.vault.auth
        if auth.token_secret_ref is not None:
            where = f"{AUTH}.tokenSecretRef"
            return StaticToken(await self.references.text(auth.token_secret_ref, DEFAULT_TOKEN_KEY, where))
        if auth.app_role is not None:
            return await self._app_role(auth.app_role)
        if auth.client_certificate is not None:
            return await self._certificate(auth.client_certificate)
        if auth.kubernetes is not None:
            return await self._kubernetes(auth.kubernetes)
        if auth.aws is not None:
            return self._aws(auth.aws)
        raise AssertionError("the API takes no issuer without a login")

    async def _app_role(self, auth: AppRoleAuth) -> AuthMethod:
        where = f"{AUTH}.appRole"
        if auth.secret_ref is None and not self.ambient:
            raise IssuerBroken(SigningIssuerReason.AMBIENT_CREDENTIALS_NOT_ALLOWED, _no_secret_id(self.key))
        role_id = auth.role_id
        if auth.role_id_secret_ref is not None:
            role_id = await self.references.text(auth.role_id_secret_ref, None, f"{where}.roleIdSecretRef")
        if role_id is None:
            raise AssertionError("the API takes no AppRole login without roleId or roleIdSecretRef")
        secret_id = None
        if auth.secret_ref is not None:
            secret_id = await self.references.text(auth.secret_ref, None, f"{where}.secretRef")
        return AppRole(role_id=role_id, secret_id=secret_id, mount=auth.mount)

    async def _certificate(self, auth: ClientCertificateAuth) -> AuthMethod:
        where = f"{AUTH}.clientCertificate"
        if self.vault.server.strip().lower().startswith("http://"):
            raise IssuerBroken(
                SigningIssuerReason.INVALID_SPEC, f"{where}: only over https can a certificate log in"
            )
        if auth.secret_name is None:
            if self.vault.client_cert_secret_ref is None:
                raise IssuerBroken(
                    SigningIssuerReason.INVALID_SPEC,
                    f"{where} names no certificate: set its secretName, or clientCertSecretRef and "
                    "clientKeySecretRef of spec.vault",
                )
            return CertificateLogin(auth.name, None, auth.mount)
        reference = SecretKeySelector(name=auth.secret_name)
        own = await client_certificate(self.references, reference, reference, f"{where}.secretName")
        return CertificateLogin(auth.name, own, auth.mount)

    async def _kubernetes(self, auth: KubernetesAuth) -> AuthMethod:
        where = f"{AUTH}.kubernetes"
        if auth.secret_ref is not None:
            jwt = await self.references.text(auth.secret_ref, DEFAULT_TOKEN_KEY, f"{where}.secretRef")
            return Kubernetes(auth.role, lambda: _constant(jwt), auth.mount)
        reference = auth.service_account_ref
        if reference is None:
            raise AssertionError("the API takes no Kubernetes login without secretRef or serviceAccountRef")
        where = f"{where}.serviceAccountRef"
        self._check_audiences(reference, where)
        audiences = token_audiences(self.key, reference, self.vault.server)
        return Kubernetes(
            auth.role,
            lambda: self.references.service_account_token(reference.name, audiences, where),
            auth.mount,
            tuple(audiences),
        )

    def _aws(self, auth: AWSAuth) -> AuthMethod:
        ambient = auth.service_account_ref is None
        if ambient and not self.ambient:
            raise IssuerBroken(SigningIssuerReason.AMBIENT_CREDENTIALS_NOT_ALLOWED, _not_allowed(self.key))
        try:
            region = region_of(auth.region, os.environ, ambient=ambient)
        except ValueError as error:
            raise IssuerBroken(
                SigningIssuerReason.INVALID_SPEC,
                f"{AUTH}.aws.region, or AWS_REGION of the controller, is not an AWS region: {error}",
            ) from error
        own = AmbientCredentials(os.environ, region, self.timeout)
        credentials = own.find if ambient else self._assumed(auth, region)
        return AWSIdentity(auth.role, region, credentials, auth.vault_header_value, auth.mount)

    def _assumed(self, auth: AWSAuth, region: str) -> Callable[[], Awaitable[AWSCredentials]]:
        """Return AWS credentials for a ServiceAccount (IRSA), new at each login."""
        reference, role_arn = auth.service_account_ref, auth.iam_role_arn
        if reference is None or role_arn is None:
            raise AssertionError("the API takes no serviceAccountRef without iamRoleArn")
        where = f"{AUTH}.aws.serviceAccountRef"
        self._check_audiences(reference, where)
        audiences = [STS_AUDIENCE, *reference.audiences]

        async def credentials() -> AWSCredentials:
            service = TokenService.of(region, os.environ, self.timeout)
            token = await self.references.service_account_token(reference.name, audiences, where)
            return await service.assume_role(role_arn, token)

        return credentials

    def _check_audiences(self, reference: ServiceAccountRef, where: str) -> None:
        """Refuse, for an issuer of a namespace, tokens that another issuer's Vault role accepts."""
        namespace, name = self.key.namespace, self.key.name
        foreign = foreign_audience(namespace, name, reference.audiences) if namespace else None
        if foreign is not None:
            raise IssuerBroken(
                SigningIssuerReason.AUDIENCE_REFUSED,
                f"{where}.audiences: {foreign!r} is another issuer's. Take it out: this issuer's tokens have "
                f"{own_audience(namespace, name)} automatically, which its Vault role can be bound to",
            )


async def client_certificate(
    references: References, certificate: SecretKeySelector, key: SecretKeySelector, where: str
) -> ClientCertificate:
    """Return a certificate and its key from Secrets, in date and matching. Raises IssuerBroken or Retry."""
    chain = await references.value(certificate, DEFAULT_CERTIFICATE_KEY, where, NO_KEY_PAIRS)
    private = await references.value(key, DEFAULT_PRIVATE_KEY_KEY, where, NO_KEY_PAIRS)
    which = f'Secret "{references.namespace}/{certificate.name}"'
    if key.name != certificate.name:
        which += f' with the key in "{references.namespace}/{key.name}"'
    try:
        found = ClientCertificate.parse(chain, private)
    except BadClientCertificate as error:
        raise IssuerBroken(
            VaultIssuerReason.INVALID_CLIENT_CERTIFICATE, f"{where}: {which}: {error}"
        ) from error
    if found.not_after <= datetime.now(UTC):
        raise IssuerBroken(
            VaultIssuerReason.INVALID_CLIENT_CERTIFICATE,
            f"{where}: {which}: the certificate expired at {rfc3339(found.not_after)}; renew it",
        )
    return found


def token_audiences(key: IssuerKey, reference: ServiceAccountRef, server: str) -> list[str]:
    """Return the audiences of a ServiceAccount token for Vault, by cert-manager's rule.

    The configured ones, then the issuer's own, then the server's address.
    """
    return [*reference.audiences, own_audience(key.namespace, key.name), server]


def _ambient_flag(key: IssuerKey) -> str:
    return "--issuer-ambient-credentials" if key.namespace else "--cluster-issuer-ambient-credentials"


def _no_secret_id(key: IssuerKey) -> str:
    return (
        f"{AUTH}.appRole without secretRef would log in by the role ID and the controller's own address, "
        f"which {key.kind}s may not: set secretRef, or start the controller with {_ambient_flag(key)}"
    )


def _not_allowed(key: IssuerKey) -> str:
    return (
        f"{AUTH}.aws without serviceAccountRef would use the controller's own AWS identity, which "
        f"{key.kind}s may not: set serviceAccountRef and iamRoleArn, or start the controller with "
        f"{_ambient_flag(key)}"
    )


async def _constant(value: str) -> str:
    return value
