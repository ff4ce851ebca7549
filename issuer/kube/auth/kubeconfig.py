"""Access by a kubeconfig, read by kubernetes.aio.config: token, client certificate or exec plugin.

A kubeconfig that turns the verification of TLS off is refused. Imported where there is a kubeconfig only:
see `credentials.find_source`. Of kubernetes.aio only public names are used: inline keys are written to files
here, as its own would outlive the call, and exec plugins are run by `exec_plugin`.

Sources: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/,
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote

import yaml

from issuer.kube.auth.credentials import FILES_GOOD_FOR, Access, Contexts, Settings, access_of
from issuer.kube.auth.exec_plugin import on_terminal, run_plugin
from issuer.kube.errors import ConfigError
from issuer.lean import bare

# They import a client for threads, with requests and oauthlib, and dynamic ones: a tenth of a second of every
# command.
with bare("kubernetes", "kubernetes.aio"):
    from kubernetes.aio.client import Configuration
    from kubernetes.aio.config import ConfigException, kube_config

EXEC_TIMEOUT: Final = 60.0
"""Seconds an exec plugin may take."""

LOGIN_TIMEOUT: Final = 300.0
"""Seconds that it may take where a person reads what it says, who may have to log in by a browser."""

_MAX_FILE: Final = 4 << 20
"""Bytes of a kubeconfig: about a thousand clusters. The parser takes seconds for each mebibyte."""

_EXTENSION: Final = "client.authentication.k8s.io/exec"
"""The extension of a cluster that is meant for exec plugins."""

_FILES: Final = ("tokenFile", "client-certificate", "client-key")  # a user's fields that name files


class KubeConfigFile:
    """A kubeconfig file, or several as `$KUBECONFIG` may list. OIDC and GCP logins are not renewed."""

    def __init__(self, path: str, context: str | None = None) -> None:
        self._path = path
        self._context = context
        self._contexts = Contexts()

    async def load(self) -> Access:
        """Read the kubeconfig and run its exec plugin if it has one. Raises ConfigError."""
        configuration: Any = Configuration()
        # Inline keys go through files, as a TLS context takes no others.
        with self._errors_told(), TemporaryDirectory(prefix="kubeconfig-") as keys:
            loader = self._loader()
            loader.inline_keys_to(Path(keys))
            load: Any = loader.load_and_set
            await load(configuration)
            settings = replace(_settings(configuration), impersonate=loader.impersonation())
            return access_of(settings, self._contexts, loader.good_for())

    def namespace(self) -> str:
        """Return the context's namespace; "" if it names none. Raises ConfigError."""
        with self._errors_told():
            return str(self._loader().current_context["context"].get("namespace") or "")

    def _loader(self) -> _Loader:
        named = [part for part in self._path.split(os.pathsep) if part]
        files = [part for part in named if Path(part).expanduser().is_file()]
        for file in files:
            if Path(file).expanduser().stat().st_size > _MAX_FILE:
                raise ConfigError(f"{file} is larger than {_MAX_FILE >> 20} MiB")
        if not files and len(named) == 1 and Path(named[0]).expanduser().exists():
            raise ConfigError("it is no file: give --kubeconfig")
        if not files:
            raise ConfigError("it is not there: give --kubeconfig, or run inside a cluster")
        context = self._context
        if len(files) > 1:
            files, first = _of_several(files)
            context = context or first
        merger: Any = kube_config.KubeConfigMerger
        merged = merger(os.pathsep.join(files)).config
        _check_context(merged.value, context)
        return _Loader(merged, context)

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        """Raise a ConfigError that names the file for whatever is wrong with it."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError(f"kubeconfig {self._path}: {error.message}") from error
        except yaml.YAMLError as error:
            # The parser's message quotes the file, which holds credentials.
            raise ConfigError(f"kubeconfig {self._path} is not YAML") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"kubeconfig {self._path} is no text in UTF-8") from error
        except (TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ConfigError(f"kubeconfig {self._path} has not the form of a kubeconfig") from error
        except (ConfigException, OSError, ValueError) as error:
            raise ConfigError(f"kubeconfig {self._path}: {error}") from error


def _check_context(merged: dict[str, Any], wanted: str | None) -> None:
    """Raise ConfigError, in words, where the context isn't there, or names what isn't; with the names there
    are."""
    known = {one["name"]: one.value.get("context") or {} for one in merged["contexts"]}
    name = wanted or merged.get("current-context")
    if not known:
        raise ConfigError("it has no contexts, so it names no cluster: give another by --kubeconfig")
    there = f"--context takes {', '.join(sorted(known))}"
    if not name:
        raise ConfigError(f"it has no current-context, so none is chosen: {there}")
    if name not in known:
        raise ConfigError(f'it has no context "{name}": {there}')
    for kind in ("cluster", "user"):
        entry = known[name].get(kind)
        if entry and entry not in {one["name"] for one in merged[f"{kind}s"]}:
            raise ConfigError(f'its context "{name}" names the {kind} "{entry}", which is not in it')


class _Loader(kube_config.KubeConfigLoader):
    """A kubernetes.aio loader for one context of `merged`, a ConfigNode; it runs exec plugins in our way."""

    def __init__(self, merged: Any, context: str | None) -> None:
        start: Any = super().__init__
        start(config_dict=merged, active_context=context, config_base_path=None)
        names = self.current_context["context"]
        cluster = merged["clusters"].get_with_name(names["cluster"])
        self._cluster_fields: dict[str, Any] = cluster["cluster"].value
        self._cluster_directory = Path(cluster.path).absolute().parent
        user = merged["users"].get_with_name(names.get("user"), safe=True)
        self._user_fields: dict[str, Any] = {} if user is None else user["user"].value
        self._directory = "" if user is None else str(Path(user.path).absolute().parent)
        self._by_file = any(name in self._user_fields for name in _FILES)
        self._keys = Path()
        self._exec_expires: datetime | None = None

    def inline_keys_to(self, directory: Path) -> None:
        """Write keys and certificates that stand in the kubeconfig to files, and name these instead."""
        self._keys = directory
        _to_file(self._cluster_fields, "certificate-authority", directory)
        _to_file(self._user_fields, "client-certificate", directory)
        _to_file(self._user_fields, "client-key", directory)

    async def load_from_exec_plugin(self) -> bool:
        """Run the plugin of a user's `exec` entry, for the base class; True: it needs no other login."""
        seconds = LOGIN_TIMEOUT if on_terminal() else EXEC_TIMEOUT
        status = await run_plugin(self._user_fields["exec"], self._directory, seconds, self._cluster_info())
        if "token" in status:
            self.token = f"Bearer {status['token']}"
        if "clientCertificateData" in status:
            self.cert_file = _written(self._keys / "exec.crt", status["clientCertificateData"].encode())
            self.key_file = _written(self._keys / "exec.key", status["clientKeyData"].encode())
        if expires := status.get("expirationTimestamp"):
            self._exec_expires = datetime.fromisoformat(expires)
        return True

    def _cluster_info(self) -> dict[str, Any]:
        """Return what a plugin may be told of the cluster, with its CA as base64.

        Source: https://kubernetes.io/docs/reference/config-api/client-authentication.v1/
        """
        fields = self._cluster_fields
        names = ("server", "tls-server-name", "insecure-skip-tls-verify", "proxy-url", "disable-compression")
        found = {name: fields[name] for name in names if name in fields}
        authority = fields.get("certificate-authority")
        if authority:
            content = (self._cluster_directory / authority).read_bytes()
            found["certificate-authority-data"] = base64.b64encode(content).decode()
        for one in fields.get("extensions") or ():
            if one.get("name") == _EXTENSION:
                found["config"] = one.get("extension")
        return found

    def impersonation(self) -> tuple[tuple[str, str], ...]:
        """Return the headers that name another user, where the kubeconfig does. Raises ConfigError."""
        return _impersonation(self._user_fields)

    def good_for(self) -> float | None:
        """Return the seconds until the next load; None if there is no need before a refusal."""
        if self._exec_expires is not None:
            left = (self._exec_expires - datetime.now(UTC)).total_seconds()
            # At least 5: a plugin that hands out expired tokens must not be run in a loop.
            return max(left - 60, left / 2, 5.0)
        return FILES_GOOD_FOR if self._by_file else None


def _to_file(fields: dict[str, Any], name: str, directory: Path) -> None:
    data = fields.pop(f"{name}-data", None)
    if data:
        fields[name] = _written(directory / name, base64.standard_b64decode(data))


def _written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


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
    """Make a header's value of `bearer token\n`, as the loader leaves it."""
    if not value or not value.strip():
        return None
    scheme, _, secret = value.strip().partition(" ")
    return f"{'Bearer' if scheme.lower() == 'bearer' else scheme} {secret.strip()}"


def _of_several(files: list[str]) -> tuple[list[str], str | None]:
    """Return those of the files that say anything, and the first current context, which is kubectl's.

    kubernetes.aio takes the last one: commands would reach another cluster than kubectl does.
    """
    said, current = [], None
    for file in files:
        found = yaml.safe_load(Path(file).expanduser().read_text(encoding="utf-8"))
        if found:
            said.append(file)
            current = current or found.get("current-context") or None
    return said or files, current


def _impersonation(user: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the headers of a user's `as`, `as-uid`, `as-groups` and `as-user-extra`. Raises ConfigError.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation
    """
    name, uid = user.get("as"), user.get("as-uid")
    groups, extra = user.get("as-groups") or (), user.get("as-user-extra") or {}
    if not name:
        if uid or groups or extra:
            raise ConfigError("a user has as-uid, as-groups or as-user-extra, but no as: name the user, too")
        return ()
    headers = [("Impersonate-User", str(name))]
    headers += [("Impersonate-Uid", str(uid))] if uid else []
    headers += [("Impersonate-Group", str(group)) for group in groups]
    headers += [
        (f"Impersonate-Extra-{quote(str(key), safe='')}", str(value))
        for key, values in extra.items()
        for value in values
    ]
    return tuple(headers)
