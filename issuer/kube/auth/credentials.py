"""The client's credentials and the CA of the API server, from a pod's files or a kubeconfig.

A pod's own files are read here, a kubeconfig in `kubeconfig`; both become an immutable `Access`. A source is
loaded again when its access is due or was refused, so rotated token files, client certificates and CA bundles
are picked up without a restart. TLS is always verified.

Source: https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from issuer.kube.errors import ConfigError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Directory of `token`, `ca.crt` and `namespace` in a pod."""

FILES_GOOD_FOR: Final = 60.0
"""Seconds until token and certificate files are read again; kubelet replaces a token at 80 % of its life."""


@dataclass(frozen=True, slots=True)
class Access:
    """Address, credentials and TLS settings of a request. Holds secrets; its repr shows none."""

    server: str
    authorization: str | None = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    good_for: float | None = None
    """Seconds after which it wants loading again; None: only when refused."""
    anonymous_tls: ssl.SSLContext | None = field(default=None, repr=False)
    """As `tls`, without a client certificate."""
    impersonate: tuple[tuple[str, str], ...] = ()
    """Headers that name the user as whom all is asked, instead of the one of the credentials."""


class AccessSource(Protocol):
    """A place that credentials are loaded from, again and again as they age."""

    async def load(self) -> Access:
        """Load the access anew. Raises ConfigError."""
        ...


class ChosenSource(AccessSource, Protocol):
    """A source that also knows the namespace its user works in."""

    def namespace(self) -> str:
        """Return the namespace of a command that names none, or "". Raises ConfigError."""
        ...


def find_source(
    kubeconfig: str | None = None, context: str | None = None, service_account: Path = SERVICE_ACCOUNT
) -> ChosenSource:
    """Choose `kubeconfig`, else `$KUBECONFIG`, else in a pod the files in `service_account`, else
    `~/.kube/config`."""
    path = kubeconfig or os.environ.get("KUBECONFIG")
    if not path and os.environ.get("KUBERNETES_SERVICE_HOST"):
        return InCluster(service_account)
    # Only where there is a kubeconfig: its library takes 11 MB and a tenth of a second of every pod's start.
    from issuer.kube.auth.kubeconfig import KubeConfigFile

    return KubeConfigFile(path or "~/.kube/config", context)


class InCluster:
    """A pod's ServiceAccount: files in `directory`, and the API server's address in `environ`."""

    def __init__(self, directory: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] | None = None) -> None:
        self._environ = os.environ if environ is None else environ
        self._directory = directory
        self._contexts = Contexts()

    async def load(self) -> Access:
        """Read host, token and CA. Raises ConfigError if a file or variable is missing."""
        try:
            settings = Settings(self._server(), self._token(), ca_file=str(self._directory / "ca.crt"))
            return access_of(settings, self._contexts, FILES_GOOD_FOR)
        except KeyError as error:
            raise ConfigError(f"In-cluster configuration: {error.args[0]} is not set") from error
        except (OSError, ValueError) as error:
            raise ConfigError(f"In-cluster configuration in {self._directory}: {error}") from error

    def namespace(self) -> str:
        """Return the pod's namespace; "" if its file is missing."""
        with suppress(OSError, ValueError):
            return (self._directory / "namespace").read_text(encoding="utf-8").strip()
        return ""

    def _server(self) -> str:
        host, port = (self._environ[f"KUBERNETES_SERVICE_{name}"] for name in ("HOST", "PORT"))
        return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    def _token(self) -> str:
        token = (self._directory / "token").read_text(encoding="utf-8").strip()
        if not token:
            raise ValueError("the file token is empty")
        return f"Bearer {token}"


class Fixed:
    """An access that never changes, for tests and tools."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def load(self) -> Access:
        """Return the access given at the start."""
        return self._access


class Contexts:
    """Keeps a TLS context while its files are unchanged, because a new one would mean new connections.

    `anonymous` is that context without the client certificate.
    """

    def __init__(self) -> None:
        self._digest = b""
        self._context: ssl.SSLContext | None = None
        self.anonymous: ssl.SSLContext | None = None

    def get(self, ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
        """Return the context for these PEM files. Raises OSError and ssl.SSLError."""
        digest = hashlib.sha256()
        for path in (ca, certificate, key):
            digest.update(Path(path).read_bytes() if path else b"\0")
            digest.update(b"\0")
        if self._context is None or digest.digest() != self._digest:
            context = _verifying(ca)
            self.anonymous = context
            if certificate:
                self.anonymous = _verifying(ca)
                context.load_cert_chain(certificate, keyfile=key)
            self._context, self._digest = context, digest.digest()
        return self._context


def _verifying(ca: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    # Python 3.13 adds RFC 5280 form checks that many clusters' CAs fail and no other Kubernetes client makes.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@dataclass(frozen=True, slots=True)
class Settings:
    """Connection settings as a source has them. `authorization` is a header's value; files are PEM."""

    server: str
    authorization: str | None = field(repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    impersonate: tuple[tuple[str, str], ...] = ()


def access_of(settings: Settings, contexts: Contexts, good_for: float | None) -> Access:
    """Turn settings into an access that is loaded again after `good_for` seconds.

    Raises ConfigError for an address that can't be used, OSError and ssl.SSLError for unusable files.
    """
    server = settings.server.rstrip("/")
    url = urlsplit(server)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError(f"The API server's address {server!r} is not a URL: use https://host:port")
    if url.scheme == "http" and not _loopback(url.hostname):
        raise ConfigError(f"{server} is plain http: only a proxy on loopback may be reached so")
    proxy = settings.proxy or _environment_proxy(url.scheme, url.hostname)
    if proxy and "://" in proxy and not proxy.lower().startswith(("http://", "https://")):
        kind = proxy.partition(":")[0][:16]
        raise ConfigError(
            f"the way to {server} is a proxy by {kind}, and only http:// and https:// are known"
        )
    tls = None
    if url.scheme == "https":
        tls = contexts.get(settings.ca_file, settings.cert_file, settings.key_file)
    return Access(
        server=server,
        authorization=settings.authorization,
        tls=tls,
        anonymous_tls=None if tls is None else contexts.anonymous,
        tls_server_name=settings.tls_server_name,
        proxy=proxy,
        good_for=good_for,
        impersonate=settings.impersonate,
    )


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _environment_proxy(scheme: str, host: str) -> str | None:
    """Return the proxy that the environment names for `host`, or None.

    aiohttp's trust_env would read the environment anew for every request.
    """
    environment: Any = urllib.request  # typeshed lacks the function for one source
    proxies: dict[str, str] = environment.getproxies_environment()
    proxy = proxies.get(scheme)
    if not proxy or _loopback(host) or environment.proxy_bypass_environment(host, proxies):
        return None
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        for entry in proxies.get("no", "").split(
            ","
        ):  # Go's clients know networks in NO_PROXY, urllib does not
            with suppress(ValueError):
                if address in ipaddress.ip_network(entry.strip(), strict=False):
                    return None
    return proxy
