"""Login methods of Vault: a token from a Secret, AppRole, Kubernetes, a TLS client certificate.

A token of our own login is never revoked, not even at shutdown: under a role with generate_lease=true Vault
would revoke every certificate issued with that token along with it. Tokens end by their TTL instead.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Protocol

from issuer.transport.client_certificate import ClientCertificate
from issuer.vault.errors import (
    LoginRefused,
    ServerError,
    UnexpectedAnswer,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
)
from issuer.vault.hvac_apis import AppRoleApi, KubernetesApi, TokenApi, format_url
from issuer.vault.paths import auth_mount
from issuer.vault.transport import VaultClient

_MAX_CREDENTIAL_CHARS = 64 * 1024
# A header can hold nothing else; Vault's tokens and JWTs are plain printable ASCII.
_CREDENTIAL = re.compile(r"[\x21-\x7e]+")
_NO_HINTS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Token:
    """The result of a login. `ttl_seconds` is the time left at that moment, 0 if the token never expires.

    `uses` is the number of calls that Vault still takes it for (num_uses), 0 for any number.
    """

    value: str = field(repr=False)
    ttl_seconds: float
    renewable: bool
    accessor: str = field(default="", repr=False)
    uses: int = 0


class AuthMethod(Protocol):
    """One way to get a token; holds its credentials, keeps no token."""

    @property
    def name(self) -> str:
        """The method and mount, for messages: "AppRole login at auth/approle"."""
        ...

    async def login(self, client: VaultClient) -> Token:
        """Return a fresh token. Raises LoginRefused if Vault refuses, other VaultErrors if
        it can't answer."""
        ...


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that was made elsewhere and is kept in a Secret; `login` looks it up."""

    token: str = field(repr=False)
    name: str = field(default="token", init=False)

    async def login(self, client: VaultClient) -> Token:
        """Learn the token's remaining TTL and whether it can be renewed (auth/token/lookup-self)."""
        value = self.token.strip()
        if not _CREDENTIAL.fullmatch(value) or len(value) > _MAX_CREDENTIAL_CHARS:
            raise LoginRefused("The Vault token in the Secret is empty or not a token", method=self.name)
        try:
            answer = await TokenApi(client.adapter(value)).lookup_self()
        except VaultForbidden as error:
            if error.by_policy:
                # A good token without the `default` policy can't look itself up. Use it as it is: Vault says
                # 403 when it ends.
                return Token(value, 0.0, renewable=False)
            raise LoginRefused(
                "Vault does not accept the token: it is wrong, expired or revoked. Put a valid one in the "
                "Secret",
                method=self.name,
                status=error.status,
                messages=error.messages,
            ) from error
        data = _member(answer, "data", "token lookup")
        return Token(
            value,
            _seconds(data.get("ttl")),
            renewable=data.get("renewable") is True,
            accessor=str(data.get("accessor") or ""),
            uses=_uses(data),
        )


@dataclass(frozen=True, slots=True)
class AppRole:
    """AppRole: a role ID with a secret ID. `mount` defaults to cert-manager's `approle`.

    `secret_id` is None for a role with `bind_secret_id=false`, whose role ID alone logs in.
    """

    role_id: str = field(repr=False)
    secret_id: str | None = field(repr=False)
    mount: str = "approle"

    @property
    def name(self) -> str:
        """The method and mount, for messages."""
        return f"AppRole login at auth/{auth_mount(self.mount)}"

    async def login(self, client: VaultClient) -> Token:
        """Log in (auth/<mount>/login)."""
        api = AppRoleApi(client.adapter())
        secret_id = "" if self.secret_id is None else self.secret_id.strip()
        return await logged_in(
            self.name,
            self.advice,
            lambda: api.login(
                role_id=self.role_id.strip(),
                secret_id=secret_id,
                use_token=False,
                mount_point=auth_mount(self.mount),
            ),
        )

    @property
    def advice(self) -> str:
        """A sentence that says where to look after a refusal."""
        ids = "the role ID and the secret ID (it may have expired or be used up)"
        if self.secret_id is None:
            ids = "the role ID, that the role has bind_secret_id=false (there is no secret ID to log in with)"
        return (
            f"Check {ids}, that this auth method is mounted there, and the role's bound networks. Other IDs "
            "are tried at once, the same ones only after 1, 5, and then every 15 minutes: Vault locks a role "
            "after 5 refused logins (see sys/locked-users)"
        )


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """Kubernetes auth: a role with a ServiceAccount's JWT.

    `jwt` is called at each login, as such tokens are short-lived; its exceptions pass through unchanged.
    `mount` may have cert-manager's full form (`/v1/auth/kubernetes`, its default) or be the mount's name.
    `audiences` are the token's, for messages, if they are known.
    """

    role: str
    jwt: Callable[[], Awaitable[str]] = field(repr=False)
    mount: str = "/v1/auth/kubernetes"
    audiences: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The method and mount, for messages."""
        return f"Kubernetes login at auth/{auth_mount(self.mount)}"

    @property
    def advice(self) -> str:
        """A sentence that says where to look after a refusal."""
        known = f" (the token's are {', '.join(self.audiences)})" if self.audiences else ""
        return (
            f'Check that Vault\'s auth role "{self.role}" exists there and is bound to this ServiceAccount, '
            f"namespace and audience{known}, and that Vault can reach the API server and may create "
            "TokenReviews: the token_reviewer_jwt and kubernetes_ca_cert of its config may be of a pod or a "
            "cluster that is gone"
        )

    @property
    def hints(self) -> Mapping[str, str]:
        """The change to make, by the words with which Vault's refusal begins (vault-plugin-auth-kubernetes,
        path_login.go)."""
        role = f'Vault\'s auth role "{self.role}"'
        audience = f"one of the token's ({', '.join(self.audiences)})" if self.audiences else "the token's"
        return {
            "service account name not authorized": (
                f"Add this ServiceAccount to bound_service_account_names of {role}, or name another role"
            ),
            "namespace not authorized": (
                f"Add the ServiceAccount's namespace to bound_service_account_namespaces of {role}, or name "
                "another role"
            ),
            "invalid audience": f"Set the audience of {role} to {audience}",
            "invalid role name": f"There is no {role} at this mount: write it, or correct role and mountPath",
        }

    async def login(self, client: VaultClient) -> Token:
        """Log in (auth/<mount>/login) with a fresh JWT."""
        jwt = (await self.jwt()).strip()
        api = KubernetesApi(client.adapter())
        return await logged_in(
            self.name,
            self.advice,
            lambda: api.login(role=self.role, jwt=jwt, use_token=False, mount_point=auth_mount(self.mount)),
            self.hints,
        )


@dataclass(frozen=True, slots=True)
class JwtLogin(Kubernetes):
    """JWT auth: the same call as that of Kubernetes auth, with a JWT of any issuer."""

    @property
    def name(self) -> str:
        """The method and mount, for messages."""
        return f"JWT login at auth/{auth_mount(self.mount)}"

    @property
    def advice(self) -> str:
        """A sentence that says where to look after a refusal."""
        return (
            f'Check that Vault\'s auth role "{self.role}" exists there, that its bound_audiences, '
            "bound_subject and bound_claims fit the JWT, that Vault trusts its issuer's keys, and that it "
            "hasn't expired"
        )

    @property
    def hints(self) -> Mapping[str, str]:
        """None: Vault's own words name the claim."""
        return _NO_HINTS


@dataclass(frozen=True, slots=True)
class CertificateLogin:
    """TLS client certificate auth.

    `own` is the certificate of this login alone: the login uses a connection of its own that presents it, and
    all later calls the issuer's usual connection, as in cert-manager. Without `own` the usual connection's
    certificate logs in. `role` None lets Vault choose any role that matches. `mount` may have cert-manager's
    full form.
    """

    role: str | None = None
    own: ClientCertificate | None = field(default=None, repr=False)
    mount: str = "/v1/auth/cert"

    @property
    def name(self) -> str:
        """The method and mount, for messages."""
        return f"client certificate login at auth/{auth_mount(self.mount)}"

    async def login(self, client: VaultClient) -> Token:
        """Log in (auth/<mount>/login) on a connection that shows the certificate."""
        if self.own is None:
            return await self._login(client)
        once = client.beside(replace(client.connection, client_certificate=self.own))
        try:
            token = await self._login(once)
        finally:
            await once.close()
        # Vault renews it only for the certificate that it was given to: a new login costs the same.
        return replace(token, renewable=False)

    async def _login(self, client: VaultClient) -> Token:
        role = f'role "{self.role}"' if self.role else "a role"
        # hvac's own method reads certificates from files and by `requests`.
        url = format_url("/v1/auth/{mount_point}/login", mount_point=auth_mount(self.mount))
        return await logged_in(
            self.name,
            f"Check that {role} exists there which trusts this certificate or its CA and allows its names, "
            "that the certificate is in date and meant for client authentication, and that nothing between "
            "here and Vault terminates TLS",
            lambda: client.adapter().login(url, json={"name": self.role or ""}),
        )


async def renew(client: VaultClient, token: Token) -> Token:
    """Renew `token` for its usual TTL (auth/token/renew-self); raises VaultError."""
    answer = await TokenApi(client.adapter(token.value)).renew_self()
    return _token(answer, "token renewal")


async def logged_in(
    name: str, hint: str, call: Callable[[], Awaitable[Any]], hints: Mapping[str, str] = _NO_HINTS
) -> Token:
    """Return the token of a login's answer. A refusal becomes LoginRefused with `hint`, or with that of
    `hints` whose words Vault's begin with; other VaultErrors pass."""
    try:
        answer = await call()
    except (VaultBadRequest, VaultForbidden, VaultNotFound) as error:
        raise LoginRefused(
            f"{name} was refused",
            method=name,
            status=error.status,
            messages=error.messages,
            advice=_narrower(error.messages, hints) or hint,
        ) from error
    except ServerError as error:
        # Kubernetes auth says this with a 500 when it is mounted but not configured: waiting doesn't mend it.
        if not any(message.startswith("could not load backend configuration") for message in error.messages):
            raise
        raise LoginRefused(
            f"{name} is mounted but not configured in Vault. Write its config",
            method=name,
            status=error.status,
            messages=error.messages,
        ) from error
    return _token(answer, name)


def _narrower(messages: Iterable[str], hints: Mapping[str, str]) -> str:
    found = (hint for words, hint in hints.items() if any(one.startswith(words) for one in messages))
    return next(found, "")


def _token(answer: Any, what: str) -> Token:
    auth = _member(answer, "auth", what)
    value = auth.get("client_token")
    if not isinstance(value, str) or not _CREDENTIAL.fullmatch(value):
        raise _odd(what)
    return Token(
        value,
        _seconds(auth.get("lease_duration")),
        renewable=auth.get("renewable") is True,
        accessor=str(auth.get("accessor") or ""),
        uses=_uses(auth),
    )


def _uses(about: dict[str, Any]) -> int:
    """Return how often a token may be used, 0 without a bound; Vault tells it as `num_uses`."""
    found = about.get("num_uses")
    return max(0, found) if isinstance(found, int) else 0


def _member(answer: Any, key: str, what: str) -> dict[str, Any]:
    member = answer.get(key) if isinstance(answer, dict) else None
    if not isinstance(member, dict):
        raise _odd(what)
    return member


def _seconds(value: Any) -> float:
    return max(0.0, float(value)) if isinstance(value, (int, float)) else 0.0


def _odd(what: str) -> VaultError:
    return UnexpectedAnswer(f"Vault's answer to the {what} holds no token")
