"""Who we are to the API server, and how its certificate is checked.

Read by kubernetes.aio.config (kubeconfig with token, client certificate or exec plugin; in-cluster files) and
turned into an immutable `Access`. A source is loaded again when its access is due or was refused, so rotated
token files, client certificates and CA bundles are picked up without a restart. TLS is always verified: a
kubeconfig that turns it off is refused.

Sources: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/,
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from issuer.kube.errors import ConfigError
from issuer.kube.exec_plugin import run_plugin

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds `token` and `ca.crt`."""

FILES_GOOD_FOR: Final = 60.0
"""Seconds until token and certificate files are read again; kubelet replaces a token at 80 % of its life."""

EXEC_TIMEOUT: Final = 60.0
"""Seconds an exec plugin may take."""


@dataclass(frozen=True, slots=True)
class Access:
    """What one request needs. Holds secrets; its repr shows none."""

    server: str
    authorization: str | None = field(repr=False)
    tls: ssl.SSLContext | None = field(repr=False)
    tls_server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    good_for: float | None = None
    """Seconds after which it wants loading again; None: only when refused."""


class AccessSource(Protocol):
    """Something that can say, now and later, how to reach the API server."""

    async def load(self) -> Access:
        """Read the access anew. Raises ConfigError."""
        ...


def find_source(kubeconfig: str | None = None, context: str | None = None) -> AccessSource:
    """The source: `kubeconfig`, else `$KUBECONFIG`, else the pod's own files, else `~/.kube/config`."""
    if kubeconfig:
        return KubeConfigFile(kubeconfig, context)
    if path := os.environ.get("KUBECONFIG"):
        return KubeConfigFile(path, context)
    if os.environ.get("KUBERNETES_SERVICE_HOST"):
        return InCluster()
    return KubeConfigFile("~/.kube/config", context)


class InCluster:
    """The ServiceAccount files of a pod; `directory` and `environ` serve processes outside one."""

    def __init__(self, directory: Path = SERVICE_ACCOUNT, environ: Mapping[str, str] | None = None) -> None:
        self._directory = directory
        self._environ = os.environ if environ is None else environ
        self._contexts = _Contexts()

    async def load(self) -> Access:
        """Read host, token and CA. Raises ConfigError when a file or variable is missing."""
        configuration: Any = Configuration()
        loader: Any = InClusterConfigLoader
        try:
            loader(
                token_filename=str(self._directory / "token"),
                cert_filename=str(self._directory / "ca.crt"),
                environ=self._environ,
            ).load_and_set(configuration)
        except (ConfigException, OSError, ValueError) as error:
            raise ConfigError(f"In-cluster configuration in {self._directory}: {error}") from error
        return _access(configuration, self._contexts, FILES_GOOD_FOR)


class KubeConfigFile:
    """A kubeconfig file, or several as `$KUBECONFIG` may list. OIDC and GCP logins are not renewed."""

    def __init__(self, path: str, context: str | None = None) -> None:
        self._path = path
        self._context = context
        self._contexts = _Contexts()

    async def load(self) -> Access:
        """Read the kubeconfig and run its exec plugin if it has one. Raises ConfigError."""
        configuration: Any = Configuration()
        module: Any = kube_config
        if not _any_file(self._path):
            raise ConfigError(
                f"kubeconfig {self._path} is not there: give --kubeconfig, or run inside a cluster"
            )
        try:
            merged = module.KubeConfigMerger(self._path).config
            make: Any = _Loader
            loader = make(config_dict=merged, active_context=self._context, config_base_path=None)
            await loader.load_and_set(configuration)
            access = _access(configuration, self._contexts, loader.good_for())
        except ConfigError as error:
            raise ConfigError(f"kubeconfig {self._path}: {error.message}") from error
        except yaml.YAMLError as error:
            # The parser's message quotes the file, which holds credentials.
            raise ConfigError(f"kubeconfig {self._path} is not YAML") from error
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"kubeconfig {self._path} has not the form of a kubeconfig") from error
        except (ConfigException, OSError, ValueError) as error:
            raise ConfigError(f"kubeconfig {self._path}: {error}") from error
        finally:
            # Inline keys went through temporary files; the TLS context has them now.
            module._cleanup_temp_files()
        return access


class _Loader(kube_config.KubeConfigLoader):
    """kubernetes.aio's loader with our own way to run exec plugins."""

    _exec_expires: datetime | None = None

    async def load_from_exec_plugin(self) -> bool:
        """Called by the base class when the user has an `exec` entry. True: no other login is looked for."""
        loader: Any = self
        directory = loader._get_base_path(loader._user.path or loader._cluster.path)
        status = await run_plugin(loader._user["exec"].value, directory, EXEC_TIMEOUT)
        if "token" in status:
            self.token = f"Bearer {status['token']}"
        if "clientCertificateData" in status:
            self.cert_file = _temporary_file(status, "clientCertificateData")
            self.key_file = _temporary_file(status, "clientKeyData")
        if expires := status.get("expirationTimestamp"):
            self._exec_expires = datetime.fromisoformat(expires)
        return True

    def good_for(self) -> float | None:
        """Seconds until this should be loaded again; None when there is no need before it is refused."""
        if self._exec_expires is not None:
            left = (self._exec_expires - datetime.now(UTC)).total_seconds()
            # At least 5: a plugin that hands out expired tokens must not be run in a loop.
            return max(left - 60, left / 2, 5.0)
        user = getattr(self._user, "value", self._user) or {}
        by_file = ("tokenFile", "client-certificate", "client-key")
        return FILES_GOOD_FOR if any(name in user for name in by_file) else None


def _temporary_file(status: Mapping[str, Any], key: str) -> Any:
    reader: Any = kube_config.FileOrData
    return reader(status, None, data_key_name=key, base64_file_content=False).as_file()


class Fixed:
    """An access that never changes, for tests and tools."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def load(self) -> Access:
        """The same access each time."""
        return self._access


class _Contexts:
    """Keeps the TLS context while its material is the same: a new context means new connections."""

    def __init__(self) -> None:
        self._digest = b""
        self._context: ssl.SSLContext | None = None

    def get(self, ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
        digest = hashlib.sha256()
        for path in (ca, certificate, key):
            digest.update(Path(path).read_bytes() if path else b"\0")
            digest.update(b"\0")
        if self._context is None or digest.digest() != self._digest:
            context = ssl.create_default_context(cafile=ca)
            # Python 3.13 adds RFC 5280 form checks that many clusters' CAs fail and no other Kubernetes
            # client makes.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
            if certificate:
                context.load_cert_chain(certificate, keyfile=key)
            self._context, self._digest = context, digest.digest()
        return self._context


def _access(configuration: Any, contexts: _Contexts, good_for: float | None) -> Access:
    server = str(configuration.host).rstrip("/")
    url = urlsplit(server)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ConfigError(f"The API server's address {server!r} is not a URL: use https://host:port")
    if not configuration.verify_ssl:
        raise ConfigError("insecure-skip-tls-verify is set: give certificate-authority-data instead")
    if url.scheme == "http" and not _loopback(url.hostname):
        raise ConfigError(f"{server} is plain http: only a proxy on loopback may be reached so")
    tls = None
    if url.scheme == "https":
        tls = contexts.get(configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    return Access(
        server=server,
        authorization=_authorization(configuration.api_key.get("BearerToken")),
        tls=tls,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy or _environment_proxy(url.scheme, url.hostname),
        good_for=good_for,
    )


def _authorization(value: str | None) -> str | None:
    """`bearer token\\n` as the loaders leave it, made fit for a header."""
    if not value or not value.strip():
        return None
    scheme, _, secret = value.strip().partition(" ")
    return f"{'Bearer' if scheme.lower() == 'bearer' else scheme} {secret.strip()}"


def _any_file(paths: str) -> bool:
    return any(Path(part).expanduser().is_file() for part in paths.split(os.pathsep) if part)


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _environment_proxy(scheme: str, host: str) -> str | None:
    """The proxy the environment names for `host`; aiohttp's trust_env would read it for every request."""
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
