"""Access by a kubeconfig, read by kubernetes.aio.config: token, client certificate or exec plugin.

A kubeconfig that turns the verification of TLS off is refused. Imported where there is a kubeconfig only:
see `credentials.find_source`.

Sources: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/,
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, kube_config

from issuer.kube.auth.credentials import FILES_GOOD_FOR, Access, Contexts, Settings, access_of
from issuer.kube.auth.exec_plugin import run_plugin
from issuer.kube.errors import ConfigError

EXEC_TIMEOUT: Final = 60.0
"""Seconds an exec plugin may take."""


class KubeConfigFile:
    """A kubeconfig file, or several as `$KUBECONFIG` may list. OIDC and GCP logins are not renewed."""

    def __init__(self, path: str, context: str | None = None) -> None:
        self._path = path
        self._context = context
        self._contexts = Contexts()

    async def load(self) -> Access:
        """Read the kubeconfig and run its exec plugin if it has one. Raises ConfigError."""
        configuration: Any = Configuration()
        module: Any = kube_config
        with self._errors_told():
            try:
                loader = self._loader()
                await loader.load_and_set(configuration)
                return access_of(_settings(configuration), self._contexts, loader.good_for())
            finally:
                # Inline keys went through temporary files; the TLS context has them now.
                module._cleanup_temp_files()

    def namespace(self) -> str:
        """The context's; "" where it names none. Raises ConfigError."""
        with self._errors_told():
            return str(self._loader().current_context["context"].get("namespace") or "")

    def _loader(self) -> Any:
        if not _any_file(self._path):
            raise ConfigError("it is not there: give --kubeconfig, or run inside a cluster")
        module: Any = kube_config
        make: Any = _Loader
        merged = module.KubeConfigMerger(self._path).config
        return make(config_dict=merged, active_context=self._context, config_base_path=None)

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """Whatever is wrong with the file becomes a ConfigError that names it."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError(f"kubeconfig {self._path}: {error.message}") from error
        except yaml.YAMLError as error:
            # The parser's message quotes the file, which holds credentials.
            raise ConfigError(f"kubeconfig {self._path} is not YAML") from error
        except (TypeError, KeyError, AttributeError) as error:
            raise ConfigError(f"kubeconfig {self._path} has not the form of a kubeconfig") from error
        except (ConfigException, OSError, ValueError) as error:
            raise ConfigError(f"kubeconfig {self._path}: {error}") from error


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


def _settings(configuration: Any) -> Settings:
    if not configuration.verify_ssl:
        raise ConfigError("insecure-skip-tls-verify is set: give certificate-authority-data instead")
    return Settings(
        server=str(configuration.host),
        authorization=_authorization(configuration.api_key.get("BearerToken")),
        ca_file=configuration.ssl_ca_cert,
        cert_file=configuration.cert_file,
        key_file=configuration.key_file,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
    )


def _authorization(value: str | None) -> str | None:
    """`bearer token\n` as the loader leaves it, made fit for a header."""
    if not value or not value.strip():
        return None
    scheme, _, secret = value.strip().partition(" ")
    return f"{'Bearer' if scheme.lower() == 'bearer' else scheme} {secret.strip()}"


def _any_file(paths: str) -> bool:
    return any(Path(part).expanduser().is_file() for part in paths.split(os.pathsep) if part)
