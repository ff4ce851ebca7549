"""The login of `agent.yaml`: its files are read anew for each login, as others renew what is in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from issuer.agent.config.login import AppRoleLogin, CertificateFiles, LoginChoice
from issuer.transport.client_certificate import BadClientCertificate, ClientCertificate
from issuer.vault.errors import LoginRefused
from issuer.vault.login.methods import AppRole, AuthMethod, CertificateLogin, Kubernetes, StaticToken, Token
from issuer.vault.transport import VaultClient

_MAX_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class LoginFromFiles:
    """A login whose method is made anew each time, from the files that hold its credentials."""

    name: str
    make: Callable[[], AuthMethod]
    locks_out: bool = False
    """Vault locks who is refused several times; `TokenSource` then waits before it asks again."""

    async def login(self, client: VaultClient) -> Token:
        """Read the credentials and log in. Raises LoginRefused, also if a file can't be read."""
        return await self.make().login(client)


def login_of(choice: LoginChoice) -> AuthMethod:
    """Return the login method that `agent.yaml` chooses."""
    if choice.token is not None:
        file = choice.token.file
        return LoginFromFiles("token", lambda: StaticToken(_credential(file, "token")))
    if choice.app_role is not None:
        given = choice.app_role
        return LoginFromFiles(
            f"AppRole login at auth/{given.mount}", lambda: _app_role(given), locks_out=True
        )
    if choice.certificate is not None:
        files = choice.certificate
        return LoginFromFiles(f"client certificate login at auth/{files.mount}", lambda: _certificate(files))
    jwt = choice.kubernetes or choice.jwt
    if jwt is None:
        raise ValueError("no login is chosen")
    where, path = f"JWT login at auth/{jwt.mount}", jwt.file

    async def read() -> str:
        return _credential(path, where)

    return LoginFromFiles(where, lambda: Kubernetes(jwt.role, read, jwt.mount))


def _app_role(given: AppRoleLogin) -> AppRole:
    role = given.role_id if given.role_id_file is None else _credential(given.role_id_file, "AppRole login")
    return AppRole(role or "", _credential(given.secret_id_file, "AppRole login"), given.mount)


def _certificate(files: CertificateFiles) -> CertificateLogin:
    name = "client certificate login"
    try:
        own = ClientCertificate.parse(_bytes(files.certificate_file, name), _bytes(files.key_file, name))
    except BadClientCertificate as error:
        raise LoginRefused(f"The certificate for the login can't be used: {error}", method=name) from error
    return CertificateLogin(files.role, own, files.mount)


def _credential(path: Path, method: str) -> str:
    return _bytes(path, method).decode("utf-8", "replace").strip()


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
