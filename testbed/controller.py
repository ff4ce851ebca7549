"""The product's controller as a process on a testbed: the chart's arguments, ServiceAccount and RBAC."""

from __future__ import annotations

import itertools
import os
import signal
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from issuer.cluster import SERVICE_ACCOUNT_VARIABLE
from testbed import forking
from testbed.certs import ServerFiles
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.errors import TestbedError
from testbed.forking import vault_issuer
from testbed.kube import load
from testbed.processes import LOOPBACK, PATIENCE, Process, free_port, retry_ports
from testbed.unexpected import LOGS

SERVICE_ACCOUNT = "vault-issuer"
# Both are made from the chart (`make manifests`; a test compares), so that no testbed has to build Helm.
RBAC = REPOSITORY / "config" / "rbac"
ALL_SECRETS = RBAC / "optional" / "cluster-issuer-secrets.yaml"
DEPLOYMENT = REPOSITORY / "config" / "manager" / "deployment.yaml"
LOOPBACK_SERVERS = ("127.0.0.0/8",)
"""--allowed-servers of a testbed: VaultIssuers may use servers on loopback only where that is listed."""
_numbers = itertools.count(1)  # of log files


@dataclass(frozen=True, slots=True)
class Install:
    """Where the controller is installed, under which ServiceAccount, and its Deployment's arguments."""

    namespace: str
    service_account: str
    arguments: Sequence[str]


def deployed(bed: Testbed, namespace: str, name: str) -> Install:
    """The controller as a Deployment in the cluster has it."""
    spec = bed.kube.get("apps/v1", "Deployment", name, namespace)["spec"]["template"]["spec"]
    return Install(namespace, spec["serviceAccountName"], spec["containers"][0]["args"])


@dataclass(frozen=True, slots=True)
class Usage:
    """What a controller has used so far: peak resident memory in MB, CPU seconds (user and system)."""

    rss_peak_mb: float
    cpu_seconds: float


class ControllerProcess:
    """``vault-issuer controller`` run against a testbed, with the files and variables that a pod has.

    Args:
        bed: the running testbed; ``config/rbac`` is applied to it.
        args: more flags, after the Deployment's and ours (so they win).
        leader_elect: compete for the Lease; off by default, as it costs a start some seconds after a crash.
        log_format: ``json`` or ``console``.
        metrics_port: port of /metrics, /healthz and /readyz on loopback; a free one by default.
        command: run this instead of ``vault-issuer`` (such as a wrapper that injects faults).
        env: more environment variables.
        install: another installation's namespace, ServiceAccount and arguments; nothing is applied then.
        allowed_servers: what VaultIssuers may use; empty is what ships, which keeps them off loopback.
        metrics_tls: files of the certificate for its health and metrics; plain HTTP by default.
    """

    def __init__(
        self,
        bed: Testbed,
        args: Sequence[str] = (),
        *,
        leader_elect: bool = False,
        log_format: str = "json",
        metrics_port: int | None = None,
        command: Sequence[str | Path] | None = None,
        env: dict[str, str] | None = None,
        install: Install | None = None,
        allowed_servers: Sequence[str] = LOOPBACK_SERVERS,
        metrics_tls: ServerFiles | None = None,
    ) -> None:
        self._bed = bed
        self._args = tuple(args)
        self._leader_elect = leader_elect
        self._log_format = log_format
        self._wanted_port = metrics_port
        self._command = tuple(command) if command else (vault_issuer(),)
        # Variables for Python are read as it starts.
        self._forks = command is None and not any(name.startswith("PYTHON") for name in env or {})
        self._install = install
        self._allowed_servers = tuple(allowed_servers)
        self._metrics_tls = metrics_tls
        self._env = {"PYTHONUNBUFFERED": "1", **(env or {})}
        self._last = Usage(0.0, 0.0)
        self.metrics_port = 0
        self.process = Process("controller", bed.directory / f"controller-{next(_numbers)}.log")
        bed.adopt(self.process)
        LOGS.add(self.process.log)

    @property
    def log(self) -> Path:
        """File with its log; appended to over restarts."""
        return self.process.log

    @property
    def pid(self) -> int:
        """Process id."""
        return self.process.pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process.running

    def __enter__(self) -> ControllerProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self, *, wait: bool = True) -> None:
        """Start it (again) and, by default, wait until /readyz says yes."""
        install = self._install
        if install is None:
            self.grant()
            install = Install(SYSTEM_NAMESPACE, SERVICE_ACCOUNT, shipped_arguments())
        chosen, pod = install, _pod_files(self._bed, install)
        retry_ports(lambda: self._launch(pod, chosen, wait))

    def grant(self) -> None:
        """Apply ``config/rbac``: the ServiceAccounts and what they may do; and every Secret of the namespace,
        as tests name many."""
        self._bed.kube.apply(RBAC)
        self._bed.kube.apply(ALL_SECRETS)

    def _launch(self, pod: dict[str, str], install: Install, wait: bool) -> None:
        self.metrics_port = self._wanted_port or free_port()
        words = [
            *install.arguments,
            f"--namespace={install.namespace}",
            f"--metrics-address={LOOPBACK}:{self.metrics_port}",
            f"--log-format={self._log_format}",
            "--leader-elect" if self._leader_elect else "--no-leader-elect",
            *(f"--allowed-servers={one}" for one in self._allowed_servers),
            *self._tls_arguments(),
            *self._args,
        ]
        environment = {**pod, **self._env}
        if self._forks and forking.SERVER is not None:
            self.process.start(words, environment, forking.SERVER.start)
        else:
            self.process.start([*self._command, *words], environment)
        if wait:
            self.wait_ready()

    def _tls_arguments(self) -> list[str]:
        files = self._metrics_tls
        return [] if files is None else [f"--metrics-tls-cert={files.cert}", f"--metrics-tls-key={files.key}"]

    def wait_ready(self, timeout: float = PATIENCE) -> None:
        """Wait until /readyz answers 200; TestbedError with the end of its log otherwise."""
        self.process.wait_ready(lambda: self.probe("readyz") == 200, timeout)

    def probe(self, path: str) -> int | None:
        """HTTP status of ``/healthz`` or ``/readyz``, None when nothing answers."""
        try:
            with urllib.request.urlopen(self.url(path), timeout=5, context=self.tls) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return None

    def metrics(self) -> str:
        """The text of /metrics."""
        try:
            with urllib.request.urlopen(self.url("metrics"), timeout=10, context=self.tls) as answer:
                return str(answer.read().decode())
        except OSError as error:
            if not self.process.running:
                ended = f"ended with code {self.process.returncode}"
                raise TestbedError(self.process.failure(ended)) from error
            raise TestbedError(f"the controller's metrics can't be read: {error}") from error

    @property
    def tls(self) -> ssl.SSLContext | None:
        """What verifies its health and metrics; None where they are plain HTTP."""
        files = self._metrics_tls
        return None if files is None else ssl.create_default_context(cafile=str(files.ca))

    def url(self, path: str) -> str:
        """Address of ``healthz``, ``readyz`` or ``metrics``."""
        scheme = "http" if self._metrics_tls is None else "https"
        return f"{scheme}://{LOOPBACK}:{self.metrics_port}/{path}"

    def stop(self, timeout: float = PATIENCE) -> int | None:
        """SIGTERM, and SIGKILL after ``timeout``; returns the exit code (0 when it ended gracefully)."""
        self.usage()
        return self.process.stop(timeout)

    def terminate(self) -> None:
        """SIGTERM without waiting."""
        self.usage()
        self.process.signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, as the kernel does for want of memory."""
        self.usage()
        self.process.stop(grace=0)

    def pause(self) -> None:
        """Freeze it (SIGSTOP)."""
        self.process.pause()

    def resume(self) -> None:
        """Let it go on."""
        self.process.resume()

    def usage(self) -> Usage:
        """Memory and CPU from /proc; after its end, as they were when ``stop`` or ``kill`` was called."""
        if self.process.running:
            directory = Path("/proc") / str(self.process.pid)
            try:
                status = dict(
                    line.split(":", 1)
                    for line in (directory / "status").read_text().splitlines()
                    if ":" in line
                )
                # Fields 14 and 15 (user and system time); the name in brackets may hold spaces.
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                ticks = int(fields[11]) + int(fields[12])
                self._last = Usage(int(status["VmHWM"].split()[0]) / 1024, ticks / os.sysconf("SC_CLK_TCK"))
            except (OSError, KeyError, IndexError):  # it ended meanwhile, or there is no /proc
                pass
        return self._last

    def cpu_seconds(self) -> float:
        """CPU seconds used since its last start."""
        return self.usage().cpu_seconds


def _pod_files(bed: Testbed, install: Install) -> dict[str, str]:
    """What a pod has: its ServiceAccount's files, and where the API server is; as environment variables."""
    directory = bed.directory / f"{install.namespace}.{install.service_account}"
    directory.mkdir(exist_ok=True, mode=0o700)
    token = bed.service_account_token(install.namespace, install.service_account)
    (directory / "token").write_text(token)
    (directory / "ca.crt").write_bytes(bed.ca_file.read_bytes())
    server = urllib.parse.urlsplit(bed.server)
    return {
        "KUBECONFIG": "",
        "KUBERNETES_SERVICE_HOST": str(server.hostname),
        "KUBERNETES_SERVICE_PORT": str(server.port),
        SERVICE_ACCOUNT_VARIABLE: str(directory),
    }


def shipped_arguments() -> list[str]:
    """What the pods of the chart's Deployment run with, with every value left alone."""
    (deployment,) = load(DEPLOYMENT)
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return [str(word) for word in container["args"]]


def grant_issuer_access(
    bed: Testbed, namespace: str, *, secrets: Sequence[str] = (), service_accounts: Sequence[str] = ()
) -> None:
    """What a namespace with VaultIssuers grants the controller: Secrets and ServiceAccounts by name."""
    name = "vault-issuer-access"
    meta = {"name": name, "namespace": namespace}
    rules = [
        {"apiGroups": [""], "resources": [resource], "resourceNames": list(names), "verbs": [verb]}
        for resource, names, verb in (
            ("secrets", secrets, "get"),
            ("serviceaccounts/token", service_accounts, "create"),
        )
        if names
    ]
    group = "rbac.authorization.k8s.io"
    subject = {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": SYSTEM_NAMESPACE}
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": one, "namespace": namespace}}
        for one in service_accounts
    ]
    bed.kube.apply(
        [
            *accounts,
            {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": rules},
            {
                "apiVersion": f"{group}/v1",
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
                "subjects": [subject],
            },
        ]
    )
