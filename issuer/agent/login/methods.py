"""The login of `agent.yaml`: its files are read anew for each login, as others renew what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from issuer.agent.config.login import AppRoleLogin, CertificateFiles, LoginChoice, VaultServer
from issuer.agent.errors import AgentError
from issuer.agent.files.writing import write_file
from issuer.agent.login.kept import KeptLogin
from issuer.agent.login.secretids import SecretIdFile, SecretIdRenewal
from issuer.agent.login.statefile import StateFile
from issuer.agent.login.ticket import enroll_again
from issuer.agent.login.ways import LoginWay, LoginWays, Refusals, RefusedWay
from issuer.agent.login.wrapped import WRAPPED, Unwrapping, WrappedSecretId
from issuer.text import rfc3339
from issuer.transport.client_certificate import BadClientCertificate, ClientCertificate
from issuer.vault.errors import LoginRefused
from issuer.vault.login.methods import (
    AppRole,
    AuthMethod,
    CertificateLogin,
    JwtLogin,
    Kubernetes,
    StaticToken,
    Token,
)
from issuer.vault.transport import VaultClient

log = structlog.get_logger(__name__)

OWN_SECRET_ID: Final = "own secret ID"  # noqa: S105  # a name
LOGIN_RECORD: Final = "login.json"
_MAX_BYTES: Final = 64 * 1024

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class LoginFromFiles:
    """A login whose method is made anew each time, from the files that hold its credentials."""

    name: str
    make: Callable[[], AuthMethod]
    given: Callable[[], bytes | None] = lambda: b""
    used: Callable[[], None] = lambda: None
    """Called when Vault has taken the credentials."""
    refused: Callable[[], None] = lambda: None
    """Called when Vault has refused the credentials, which a lockout or another network does, too."""

    def credential(self) -> bytes | None:
        """Return what Vault locks out if it is refused several times; b"" if it locks nothing."""
        return self.given()

    async def login(self, client: VaultClient) -> Token:
        """Read the credentials and log in. Raises LoginRefused, also if a file can't be read."""
        try:
            token = await self.make().login(client)
        except LoginRefused as error:
            if error.status is not None:
                self.refused()
            raise
        self.used()
        return token


@dataclass(frozen=True, slots=True)
class WrappedLogin:
    """AppRole by a secret ID that is unwrapped first, and kept before it is used."""

    given: AppRoleLogin
    file: Path
    own: SecretIdFile
    unwrapping: Unwrapping
    now: Now
    name: str = field(default=WRAPPED, init=False)

    def credential(self) -> bytes | None:
        """Return b"" if there is a wrapped secret ID that this agent has not unwrapped."""
        try:
            wrapped = WrappedSecretId.parse(_bytes(self.file, self.name))
        except LoginRefused:
            return b""  # and told why by `login`
        return None if self.unwrapping.is_spent(wrapped) else b""

    async def login(self, client: VaultClient) -> Token:
        """Unwrap, keep, and log in. Raises LoginRefused, and UnexpectedAnswer."""
        wrapped = WrappedSecretId.parse(_bytes(self.file, self.name))
        found = await self.unwrapping.unwrap(client, wrapped, self.now())
        try:
            self.own.write(found)
        except AgentError as error:
            log.warning("the secret ID can't be kept; a restart needs a new one", error=str(error))
        self.unwrapping.spent(wrapped, self.now())
        token = await AppRole(_role_id(self.given), found.secret_id, self.given.mount).login(client)
        self.own.mark_used()
        return token


@dataclass(frozen=True, slots=True)
class AgentLogin:
    """The login of one agent, and what renews its secret ID, if that is wanted."""

    method: AuthMethod
    secret_ids: SecretIdRenewal | None = None


def login_of(vault: VaultServer, choice: LoginChoice, state: Path, now: Now) -> AgentLogin:
    """Return the login that `agent.yaml` chooses, with the kept token before it.

    `now` is the server's time.
    """
    # Bound to server and login: a token is never sent to another server than the one that gave it.
    of = json.dumps([vault.server, vault.namespace, choice.model_dump(mode="json")], sort_keys=True)

    def told(way: str, refused: Sequence[RefusedWay]) -> None:
        _record(state, way, refused, now())

    ways, help_text = _ways(vault, choice, state, now)
    method = LoginWays(ways, Refusals(StateFile(state, "refused", of), now), help_text, told)
    if choice.token is not None:  # somebody else keeps it, and renews it there
        return AgentLogin(method)
    renewal = None
    if choice.app_role is not None and choice.app_role.role_name is not None:
        file = secret_id_file(vault, choice.app_role, state)
        renewal = SecretIdRenewal(choice.app_role.role_name, choice.app_role.mount, file, now)
    return AgentLogin(KeptLogin(method, StateFile(state, "token", of)), renewal)


def secret_id_file(vault: VaultServer, given: AppRoleLogin, state: Path) -> SecretIdFile:
    """Return the place of the secret ID that the agent keeps for a server and an AppRole."""
    role = given.role_name or given.role_id or str(given.role_id_file)
    of = json.dumps([vault.server, vault.namespace, given.mount, role])
    return SecretIdFile(StateFile(state, "secret-id", of))


def unwrapping_of(vault: VaultServer, given: AppRoleLogin, state: Path) -> Unwrapping:
    """Return what unwraps secret IDs for a server and an AppRole."""
    of = json.dumps([vault.server, vault.namespace, given.mount, given.role_name])
    return Unwrapping(StateFile(state, "wrapped", of), enroll_again(given.role_name))


def _ways(vault: VaultServer, choice: LoginChoice, state: Path, now: Now) -> tuple[list[LoginWay], str]:
    ways: list[LoginWay] = []
    help_text = ""
    if choice.token is not None:
        file = choice.token.file
        ways.append(LoginFromFiles("token", lambda: StaticToken(_credential(file, "token"))))
    if choice.app_role is not None:
        ways += _app_role_ways(vault, choice.app_role, state, now)
        if choice.app_role.role_name is not None:
            help_text = f"Run {enroll_again(choice.app_role.role_name)}"
    if choice.certificate is not None:
        files = choice.certificate
        name = f"client certificate login at auth/{files.mount}"
        ways.append(LoginFromFiles(name, lambda: _certificate(files)))
    jwt = choice.kubernetes or choice.jwt
    if jwt is not None:
        kind, method = ("JWT", JwtLogin) if choice.kubernetes is None else ("Kubernetes", Kubernetes)
        where, path = f"{kind} login at auth/{jwt.mount}", jwt.file

        async def read() -> str:
            return _credential(path, where)

        ways.append(LoginFromFiles(where, lambda: method(jwt.role, read, jwt.mount)))
    return ways, help_text


def _app_role_ways(vault: VaultServer, given: AppRoleLogin, state: Path, now: Now) -> list[LoginWay]:
    name = f"AppRole login at auth/{given.mount}"
    ways: list[LoginWay] = []
    if given.role_name is not None or given.wrapped_secret_id_file is not None:
        ways += _kept_secret_id_ways(vault, given, state, now)
    file = given.secret_id_file
    if file is not None:

        def by_file() -> AuthMethod:
            return AppRole(_role_id(given), _credential(file, "AppRole login"), given.mount)

        ways.append(LoginFromFiles(name, by_file, lambda: _readable(file)))
    if not ways:

        def by_role_id() -> AuthMethod:
            return AppRole(_role_id(given), None, given.mount)

        ways.append(LoginFromFiles(name, by_role_id, lambda: _readable_role_id(given)))
    return ways


def _kept_secret_id_ways(
    vault: VaultServer, given: AppRoleLogin, state: Path, now: Now
) -> Iterator[LoginWay]:
    own = secret_id_file(vault, given, state)

    def kept() -> bytes | None:
        found = own.read()
        return None if found is None or found.is_spent else found.secret_id.encode()

    def by_own() -> AuthMethod:
        return AppRole(_role_id(given), (kept() or b"").decode(), given.mount)

    yield LoginFromFiles(OWN_SECRET_ID, by_own, kept, own.mark_used, own.mark_refused)
    if given.wrapped_secret_id_file is not None:
        unwrapping = unwrapping_of(vault, given, state)
        yield WrappedLogin(given, given.wrapped_secret_id_file, own, unwrapping, now)


def _record(state: Path, way: str, refused: Sequence[RefusedWay], now: datetime) -> None:
    """Keep how the last login went, for `agent status`."""
    data = {"way": way, "at": rfc3339(now), "refused": [asdict(one) for one in refused]}
    try:
        write_file(state / LOGIN_RECORD, json.dumps(data).encode(), 0o600, "The login's record")
    except AgentError as error:
        log.warning("the record of the login can't be written", error=str(error))


def _role_id(given: AppRoleLogin) -> str:
    if given.role_id_file is None:
        return given.role_id or ""
    return _credential(given.role_id_file, "AppRole login")


def _readable_role_id(given: AppRoleLogin) -> bytes:
    return (given.role_id or "").encode() if given.role_id_file is None else _readable(given.role_id_file)


def _certificate(files: CertificateFiles) -> CertificateLogin:
    name = "client certificate login"
    try:
        own = ClientCertificate.parse(_bytes(files.certificate_file, name), _bytes(files.key_file, name))
    except BadClientCertificate as error:
        raise LoginRefused(f"The certificate for the login can't be used: {error}", method=name) from error
    return CertificateLogin(files.role, own, files.mount)


def _readable(path: Path) -> bytes:
    """Return a credential, b"" if it can't be read: the login says why."""
    try:
        return _bytes(path, "").strip()
    except LoginRefused:
        return b""


def _credential(path: Path, method: str) -> str:
    """Return a credential in a file: one line of text. Raises LoginRefused."""
    data = _bytes(path, method).strip()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text.isprintable() or not text or text.startswith("\ufeff"):
        raise LoginRefused(
            f'"{path}", which the login needs, holds more than one line, or is not plain text: save the '
            "credential alone in it, in UTF-8 without a byte order mark, as -field=secret_id prints it",
            method=method,
        )
    return text


def _bytes(path: Path, method: str) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES)
    except OSError as error:
        raise LoginRefused(
            f'"{path}", which the login needs, can\'t be read: {error.strerror}', method=method
        ) from error
    if not data.strip():
        raise LoginRefused(f'"{path}", which the login needs, is empty', method=method)
    return data
