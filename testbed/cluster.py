"""One call starts a real cluster for tests, the demo and the benchmarks; leaving the block stops all of it.

    with Testbed(Options(minimum_backoff="1s")) as bed:
        bed.kube.apply(Path("charts/vault-issuer/crds"))
        setup_pki(bed.vault)

etcd, kube-apiserver, OpenBao and cert-manager are the real programs, as processes on random loopback ports
with data of their own, so several testbeds run side by side.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from testbed import approverpolicy, certmanager
from testbed.approverpolicy import ApproverPolicy
from testbed.cache import new_data_directory
from testbed.certmanager import APPROVER, CONTROLLERS, OWN_ISSUER_CONTROLLERS, Controllers, Webhook
from testbed.controlplane import APIServer, Etcd, KubeControllers, write_kubeconfig
from testbed.errors import TestbedError
from testbed.kube import Kube, Object, load
from testbed.openbao import OpenBao
from testbed.processes import LOOPBACK, Process
from testbed.servers import Servers, find_servers

OBJECTS = Path(__file__).with_name("objects")
REPOSITORY = Path(__file__).resolve().parents[1]
SYSTEM_NAMESPACE = "vault-issuer-system"


@dataclass(frozen=True, slots=True)
class Options:
    """What a testbed consists of.

    Attributes:
        cert_manager: run cert-manager's certificate controllers.
        webhook: run cert-manager's admission webhook (stamps requesters, asks for the ``approve`` verb).
        approver: let cert-manager's approver approve requests for our issuers. Without it the approver still
            runs when there is a webhook, and is refused, as on a cluster where nobody granted it.
        own_issuer: also run cert-manager's own Vault issuer, for comparison.
        approver_policy: run the real approver-policy (``bed.approver_policy``) with its webhook;
            cert-manager's approver then doesn't run. It is built when it is asked for the first time.
        kube_controllers: run Kubernetes' namespace controller, garbage collector and aggregation of
            ClusterRoles: deleted namespaces then go, so does what a deleted owner leaves, and ``view``,
            ``edit`` and ``admin`` have rules. It is built when it is asked for the first time.
        controllers: run exactly these of cert-manager's controllers instead.
        minimum_backoff: Go duration a Certificate waits after a failed request (cert-manager: ``1h``).
        vault: run OpenBao.
        vault_in_memory: keep its data in memory, where there is room; on the disk a write waits for the disk.
        audit: write the API server's audit log (who called what), at ``bed.apiserver.audit_log``.
        apiserver_flags: more flags for kube-apiserver.
        address: where the API server and OpenBao listen; loopback, or an address of a node that pods reach.
        data_dir: keep data and logs here; by default they are in a temporary directory that goes at the end.
    """

    cert_manager: bool = True
    webhook: bool = True
    approver: bool = True
    own_issuer: bool = False
    approver_policy: bool = False
    kube_controllers: bool = False
    controllers: tuple[str, ...] | None = None
    minimum_backoff: str = "1s"
    vault: bool = True
    vault_in_memory: bool = True
    audit: bool = False
    apiserver_flags: tuple[str, ...] = ()
    address: str = LOOPBACK
    data_dir: Path | None = None

    @property
    def wants_cert_manager(self) -> bool:
        """Whether anything of cert-manager's is needed, if only its CRDs."""
        return self.cert_manager or self.webhook or self.approver_policy

    def controller_names(self) -> tuple[str, ...]:
        """The cert-manager controllers to run."""
        if self.controllers is not None:
            return self.controllers
        names = CONTROLLERS + (OWN_ISSUER_CONTROLLERS if self.own_issuer else ())
        # Without the webhook nothing would refuse an approver that has no right; and one approver is enough.
        runs = (self.approver or self.webhook) and not self.approver_policy
        refused = set() if runs else {APPROVER}
        return tuple(name for name in names if name not in refused)


class Testbed:
    """A running cluster; use it as a context manager.

    Attributes:
        options, servers: what was asked for, and the programs that run (with versions).
        directory: data and logs.
        kube: the administrator's client (``system:masters``).
        kubeconfig, server, token, ca_file: the administrator's access for other programs.
        vault: OpenBao; TestbedError on access when it was left out.
        etcd, apiserver, cert_manager, webhook: the parts, for stopping one at a time.
    """

    __test__ = False  # not a test class, though pytest would think so

    def __init__(self, options: Options | None = None, servers: Servers | None = None) -> None:
        self.options = options or Options()
        self._given = servers
        self._stack = contextlib.ExitStack()
        self._processes: list[Process] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Testbed:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_terminated_like_interrupted())
            stack.callback(self._stop)
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop everything and remove the data; may be called twice."""
        self._stack.close()

    def _start(self, stack: contextlib.ExitStack) -> None:
        options = self.options
        self.servers = self._given or find_servers(
            cert_manager=options.wants_cert_manager,
            approver_policy=options.approver_policy,
            kube_controllers=options.kube_controllers,
        )
        self.directory = self._data_directory(stack)
        self.etcd = Etcd(self.servers.etcd, self.directory / "etcd")
        self.apiserver = APIServer(
            self.servers.kube_apiserver,
            self.directory / "kube-apiserver",
            audit=options.audit,
            extra=options.apiserver_flags,
            address=options.address,
        )
        vault = self.directory / "openbao"
        self._vault = (
            OpenBao(self.servers.bao, vault, options.address, in_memory=options.vault_in_memory)
            if options.vault
            else None
        )
        self.adopt(self.etcd.process)
        self.adopt(self.apiserver.process)
        jobs: list[Callable[[], None]] = [lambda: self._start_kubernetes(stack)]
        if self._vault is not None:
            self.adopt(self._vault.process)
            stack.callback(self._vault.close)
            jobs.append(self._vault.start)
        _together(jobs, self._stop)

    def _data_directory(self, stack: contextlib.ExitStack) -> Path:
        if self.options.data_dir is not None:
            directory = self.options.data_dir.absolute()
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            if any(directory.iterdir()):
                raise TestbedError(f"{directory} isn't empty: a testbed wants a directory of its own")
            return directory
        directory, lock = new_data_directory()
        stack.callback(self._remove, directory, lock)
        stack.callback(self._stop)  # before the removal, as a stack runs backwards
        return directory

    @staticmethod
    def _remove(directory: Path, lock: int) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)

    def _start_kubernetes(self, stack: contextlib.ExitStack) -> None:
        self.etcd.start()
        self.kube = self.apiserver.start(self.etcd.url)
        stack.callback(self.kube.close)
        self.kubeconfig = write_kubeconfig(
            self.directory / "admin.kubeconfig", self.server, self.ca_file, self.token, "admin"
        )
        self.kube.apply(OBJECTS / "base.yaml")
        if self.options.wants_cert_manager:
            self._start_cert_manager()
        if self.options.approver_policy:
            self._start_approver_policy()
        if self.options.kube_controllers:
            self._start_kube_controllers()

    def _start_kube_controllers(self) -> None:
        assert self.servers.kube_controllers is not None  # noqa: S101  # asked of find_servers
        controllers = KubeControllers(self.servers.kube_controllers, self.directory / "kube-controllers")
        self.adopt(controllers.process)
        controllers.start(self.kubeconfig)

    def _start_cert_manager(self) -> None:
        assert self.servers.cert_manager is not None  # noqa: S101  # asked of find_servers
        assert self.servers.cert_manager_crds is not None  # noqa: S101
        program, directory = self.servers.cert_manager.path, self.directory / "cert-manager"
        crds = load(self.servers.cert_manager_crds)
        self.kube.apply(crds)
        self.kube.apply(OBJECTS / "cert-manager.yaml")
        if self.options.approver:
            self.kube.apply(OBJECTS / "approver.yaml")
        self.cert_manager, self.webhook = Controllers(program, directory), Webhook(program, directory)
        self.adopt(self.cert_manager.process)
        self.adopt(self.webhook.process)
        # The controllers' CRDs must be served before their informers list.
        for crd in crds:
            self._established(crd)
        jobs: list[Callable[[], None]] = []
        if self.options.webhook:
            jobs.append(self.start_webhook)
        if self.options.cert_manager:
            jobs.append(self.start_cert_manager)
        _together(jobs, self._stop)

    def _start_approver_policy(self) -> None:
        assert self.servers.approver_policy is not None  # noqa: S101  # asked of find_servers
        program = self.servers.approver_policy.path
        crds = load(program.parent / "crds")
        self.kube.apply(crds)
        self.kube.apply(OBJECTS / "approver-policy.yaml")
        for crd in crds:
            self._established(crd)
        self.approver_policy = ApproverPolicy(program, self.directory / "approver-policy")
        self.adopt(self.approver_policy.process)
        self.approver_policy.start(
            self.service_account_kubeconfig(approverpolicy.NAMESPACE, approverpolicy.ACCOUNT)
        )
        self.approver_policy.register_webhook(self.kube)

    def start_cert_manager(self) -> None:
        """Start cert-manager's controllers (again, after ``bed.cert_manager.process.stop()``)."""
        self.cert_manager.start(
            self.service_account_kubeconfig(certmanager.NAMESPACE, certmanager.CONTROLLER_ACCOUNT),
            self.options.controller_names(),
            self.options.minimum_backoff,
        )

    def start_webhook(self) -> None:
        """Start cert-manager's webhook (again) and tell the API server where it is."""
        self.webhook.start(
            self.service_account_kubeconfig(certmanager.NAMESPACE, certmanager.WEBHOOK_ACCOUNT)
        )
        self.kube.apply(self.webhook.configurations())

    def _established(self, crd: Object) -> None:
        self.kube.wait(crd["apiVersion"], crd["kind"], crd["metadata"]["name"], until="Established")

    @property
    def server(self) -> str:
        """URL of the API server."""
        return self.apiserver.server

    @property
    def token(self) -> str:
        """The administrator's bearer token."""
        return self.apiserver.token

    @property
    def ca_file(self) -> Path:
        """PEM of the API server's CA."""
        return self.apiserver.ca_file

    @property
    def vault(self) -> OpenBao:
        """The OpenBao server."""
        if self._vault is None:
            raise TestbedError("this testbed was started without OpenBao (Options(vault=False))")
        return self._vault

    def install_crds(self, directory: Path = REPOSITORY / "charts" / "vault-issuer" / "crds") -> None:
        """Apply CRDs from a directory and wait until they are served."""
        crds = load(directory)
        if not crds:
            raise TestbedError(f"{directory} holds no CRDs: generate them with `python -m issuer.api.crd`")
        self.kube.apply(crds)
        for crd in crds:
            self._established(crd)

    def create_namespace(self, name: str) -> str:
        """Create a namespace if it isn't there; returns its name."""
        self.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def service_account_token(self, namespace: str, name: str, audiences: Sequence[str] = ()) -> str:
        """A token of a ServiceAccount, which is created if it isn't there."""
        meta = {"namespace": namespace, "name": name}
        if self.kube.find("v1", "ServiceAccount", name, namespace) is None:
            self.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta})
        return self.kube.service_account_token(namespace, name, audiences)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """A kubeconfig file with a token of a ServiceAccount, which is created if it isn't there."""
        token = self.service_account_token(namespace, name)
        path = self.directory / f"{namespace}.{name}.kubeconfig"
        return write_kubeconfig(path, self.server, self.ca_file, token, name)

    def kube_as(self, namespace: str, name: str) -> Kube:
        """A client that acts as a ServiceAccount; close it when done (the testbed does at its end)."""
        client = Kube(self.server, self.ca_file, self.service_account_token(namespace, name))
        self._stack.callback(client.close)
        return client

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as administrator and return what it printed; TestbedError when it fails."""
        beside = Path(sys.executable).with_name("kubectl")
        program = str(beside) if beside.is_file() else shutil.which("kubectl")
        if program is None:
            raise TestbedError("kubectl was not found: install the locked development packages")
        done = subprocess.run(
            [program, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise TestbedError(f"kubectl {' '.join(arguments[:3])} failed: {done.stderr.strip()[-800:]}")
        return done.stdout

    def stop_apiserver(self) -> None:
        """Stop the API server; its data stays in etcd."""
        self.apiserver.stop()

    def start_apiserver(self) -> None:
        """Start it again at the same address."""
        self.apiserver.restart()

    def adopt(self, process: Process) -> None:
        """Have a process of the caller's stopped with the testbed, before the servers."""
        with self._lock:
            self._processes.append(process)

    def _stop(self) -> None:
        with self._lock:
            processes = list(self._processes)
        # Newest first, all at once and by SIGKILL: nothing of theirs outlives the testbed.
        for process in reversed(processes):
            process.signal(signal.SIGKILL)
        for process in processes:
            process.stop(grace=0)


def _together(jobs: Sequence[Callable[[], None]], abort: Callable[[], None]) -> None:
    """Run jobs in threads; at a failure or Ctrl-C ``abort`` makes the others end, then it is raised."""
    with ThreadPoolExecutor(max_workers=len(jobs) or 1) as pool:
        try:
            for future in [pool.submit(job) for job in jobs]:
                future.result()
        except BaseException:
            abort()
            raise


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """While a testbed runs, SIGTERM and SIGHUP unwind the program as Ctrl-C does, unless they are handled."""
    ours = []
    if threading.current_thread() is threading.main_thread():
        ours = [one for one in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(one) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number in ours:
                signal.signal(number, signal.SIG_DFL)
