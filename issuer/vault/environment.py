"""Server, trust and client certificate that the environment names, in the variables of `vault` and `bao`.

Source: https://developer.hashicorp.com/vault/docs/commands#configure-environment-variables and OpenBao's
`api/client.go`, which reads BAO_ before VAULT_.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from issuer.duration import parse_duration
from issuer.text import TRUTHS
from issuer.tls import MAX_CA_BUNDLE_BYTES
from issuer.transport.client_certificate import BadClientCertificate, ClientCertificate
from issuer.transport.errors import InvalidConnection
from issuer.transport.sender import proxy_url
from issuer.vault.connection import DEFAULT_TIMEOUT_SECONDS, Connection

HEEDED: Final = (
    "ADDR",
    "CACERT",
    "CACERT_BYTES",
    "CAPATH",
    "CLIENT_CERT",
    "CLIENT_KEY",
    "CLIENT_TIMEOUT",
    "HTTP_PROXY",
    "NAMESPACE",
    "PROXY_ADDR",
    "SKIP_VERIFY",
    "TLS_SERVER_NAME",
    "TOKEN",
)
"""Variables that are obeyed, without VAULT_ and BAO_; SKIP_VERIFY is refused unless it says no."""
UNHEEDED: Final[Mapping[str, str]] = {
    "AGENT_ADDR": "the server is that of VAULT_ADDR",
    "CLIENT_CERT_BYTES": "write it into a file, and name that by VAULT_CLIENT_CERT",
    "CLIENT_KEY_BYTES": "write it into a file, and name that by VAULT_CLIENT_KEY",
    "DISABLE_REDIRECTS": "a redirect is followed to the same path of the same host alone, by TLS",
    "HEADERS": "no header is added",
    "MAX_RETRIES": "a call is sent once, and again only where a rate limit held it off",
    "MFA": "log in by vault login, and set VAULT_TOKEN",
    "RATE_LIMIT": "calls aren't slowed down; reads are at most 8 at a time",
    "SRV_LOOKUP": "the host of VAULT_ADDR is looked up as it stands",
    "WRAP_TTL": "no answer is wrapped",
}
"""Variables that `vault` and `bao` obey and these commands don't, with what holds instead."""
MAX_TIMEOUT_SECONDS: Final = 3600.0
"""The longest wait for one answer: longer is a mistake in the unit."""
_PATHS: Final = frozenset({"ui", "v1"})
"""First parts of paths that people copy with an address: of the browser's page, and of the API."""
_MAX_FILES: Final = 2000
"""Files of VAULT_CAPATH: a system's folder has 300, of which half are links."""


class BadVariable(Exception):
    """A variable can't be used; the message names it, and says what to set."""


def variable(environment: Mapping[str, str], name: str) -> str:
    """Return BAO_`name`, or VAULT_`name`, or ''."""
    return environment.get(f"BAO_{name}") or environment.get(f"VAULT_{name}") or ""


def server_from(environment: Mapping[str, str]) -> Connection:
    """Return the server that the variables of HEEDED name. Raises BadVariable."""
    return Connection(
        server=address_from(environment),
        ca_pem=trusted_from(environment),
        server_name=variable(environment, "TLS_SERVER_NAME") or None,
        client_certificate=_client_certificate(environment),
        timeout=_timeout(variable(environment, "CLIENT_TIMEOUT")),
        proxy=_proxy(environment),
        namespace=variable(environment, "NAMESPACE") or None,
    )


def address_from(environment: Mapping[str, str]) -> str:
    """Return the address of VAULT_ADDR. Raises BadVariable, also where TLS is not to be verified."""
    address = variable(environment, "ADDR")
    if not address:
        raise BadVariable(
            "VAULT_ADDR is not set; set it to Vault's address, such as https://vault.example.com:8200"
        )
    if TRUTHS.get(variable(environment, "SKIP_VERIFY")) is not False:
        raise BadVariable("VAULT_SKIP_VERIFY is set, but TLS is always verified; unset it, set VAULT_CACERT")
    path = urlsplit(address).path.strip("/").partition("/")[0]
    if path in _PATHS:
        raise BadVariable(f"VAULT_ADDR is the server alone, without /{path}; take that off {address}")
    return address


def unheeded(environment: Mapping[str, str], more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield a sentence for each variable that is set and not obeyed: those of UNHEEDED, and `more`."""
    for name, instead in {**UNHEEDED, **(more or {})}.items():
        for known in (f"BAO_{name}", f"VAULT_{name}"):
            if environment.get(known):
                yield f"{known} is set and not obeyed here: {instead}"


def trusted_from(environment: Mapping[str, str]) -> bytes | None:
    """Return the CAs to trust, as PEM, by the first of three variables; None for the system's."""
    if path := variable(environment, "CACERT"):
        return _content("CACERT", Path(path))
    if text := variable(environment, "CACERT_BYTES"):
        return text.encode()
    path = variable(environment, "CAPATH")
    return _folder(Path(path)) if path else None


def _folder(path: Path) -> bytes:
    """Return the certificates of all files of a folder, each once: hashed links lead to the same ones."""
    try:
        files = sorted(one for one in path.iterdir() if one.is_file())
    except OSError as error:
        raise BadVariable(f"VAULT_CAPATH: {path} can't be read: {error.strerror}") from error
    if len(files) > _MAX_FILES:
        raise BadVariable(f"VAULT_CAPATH: {path} has more than {_MAX_FILES} files; name a folder of CAs")
    found: dict[bytes, None] = {}
    for one in files:
        content = _content("CAPATH", one) if one.stat().st_size <= MAX_CA_BUNDLE_BYTES else b""
        if b"-----BEGIN " in content:
            found[content.strip()] = None
    if not found:
        raise BadVariable(f"VAULT_CAPATH: no file in {path} holds a certificate in PEM")
    return b"\n".join(found) + b"\n"


def _client_certificate(environment: Mapping[str, str]) -> ClientCertificate | None:
    certificate, key = variable(environment, "CLIENT_CERT"), variable(environment, "CLIENT_KEY")
    if not certificate and not key:
        return None
    if not (certificate and key):
        missing = "VAULT_CLIENT_KEY" if certificate else "VAULT_CLIENT_CERT"
        raise BadVariable(
            f"{missing} is not set: a client certificate is both, VAULT_CLIENT_CERT and its key"
        )
    try:
        return ClientCertificate.parse(
            _content("CLIENT_CERT", Path(certificate)), _content("CLIENT_KEY", Path(key))
        )
    except BadClientCertificate as error:
        raise BadVariable(f"VAULT_CLIENT_CERT and VAULT_CLIENT_KEY: {error}") from error


def _proxy(environment: Mapping[str, str]) -> str:
    for name in ("PROXY_ADDR", "HTTP_PROXY"):
        if text := variable(environment, name):
            try:
                return str(proxy_url(text, f"VAULT_{name}"))
            except InvalidConnection as error:
                raise BadVariable(str(error)) from error
    return ""


def _timeout(text: str) -> float:
    """Return seconds: a number of them, or one of Go's durations."""
    if not text:
        return DEFAULT_TIMEOUT_SECONDS
    try:
        found = float(text) if text.isascii() and text.isdigit() else parse_duration(text).total_seconds()
    except ValueError:
        found = 0.0
    if not 0 < found <= MAX_TIMEOUT_SECONDS:
        raise BadVariable(
            f"VAULT_CLIENT_TIMEOUT is {text!r}; write seconds or a duration up to an hour, such as 30s"
        )
    return found


def _content(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadVariable(f"VAULT_{name}: {path} can't be read: {error.strerror}") from error
