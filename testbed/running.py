"""One testbed kept running in the background of this clone: ``make up``, ``make down``.

A supervisor process holds a lock on ``.testbed/lock`` as long as it lives; that lock, not a process id that
may have been given to another program, says whether one runs. Beside it lie ``current.json`` (how to reach
it), ``details.json`` (process ids and logs), ``up.log`` and ``data``.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from testbed.certs import write_private
from testbed.cluster import REPOSITORY, Options, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import TestbedError
from testbed.labca import KUBERNETES, LAB, SERVERS, LabCA, kubernetes_variables
from testbed.processes import Process
from testbed.samples import (
    API_VERSION,
    EVERYBODY,
    kubernetes_auth,
    lab_policy,
    use_binding,
    vault_cluster_issuer,
)
from testbed.servers import find_servers
from testbed.vaultpki import setup_approle

# Where it keeps what it is; another folder lets a test run `make up` beside yours.
STATE = Path(os.environ.get("VAULT_ISSUER_TESTBED") or REPOSITORY / ".testbed")
ISSUER = "demo"
POLICY = "lab-names"
STOP_SECONDS = 30.0
_POLL_SECONDS = 0.1


def up(state: Path = STATE, *, controller: bool = True) -> None:
    """Start a supervisor and return when all of it is ready; nothing happens when one runs.

    Raises:
        TestbedError: it did not start; the text has the end of its log. Nothing is left running.
    """
    if running(state):
        print(f"a testbed runs already, started from {state.parent}; `make down` stops it")
        print(summary(state))
        return
    find_servers()  # builds in the foreground, where progress can be seen
    state.mkdir(mode=0o700, exist_ok=True)
    _clear(state)
    log = state / "up.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            [
                *(sys.executable, "-m", "testbed", "serve", f"--state={state.absolute()}"),
                *([] if controller else ["--no-controller"]),
            ],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _follow(supervisor, log, (state / "current.json").exists)
    except BaseException:
        supervisor.terminate()
        supervisor.wait()
        raise
    # It goes on without us; Popen would warn about a child that nobody waited for.
    supervisor.returncode = 0
    print(summary(state))


def _follow(supervisor: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    """Copy the supervisor's lines to ours until it is ready."""
    with log.open() as lines:
        while not ready():
            print(lines.read(), end="", flush=True)
            if supervisor.poll() is not None:
                raise TestbedError(f"the testbed did not start:\n{lines.read()}".rstrip())
            time.sleep(_POLL_SECONDS)
        print(lines.read(), end="", flush=True)


def serve(state: Path = STATE, *, controller: bool = True) -> None:
    """Be the supervisor: start everything, say how to reach it, stay until SIGTERM or until a server ends."""
    state.mkdir(mode=0o700, exist_ok=True)
    began = time.monotonic()
    with _held(state), Testbed(Options(approver=False, data_dir=state / "data")) as bed:
        _say(began, f"etcd, kube-apiserver, OpenBao and cert-manager run ({bed.server}, {bed.vault.addr})")
        processes = {one.name: one for one in (bed.etcd.process, bed.apiserver.process, bed.vault.process)}
        others = {one.name: one for one in (bed.cert_manager.process, bed.webhook.process)}
        furnished = furnish(bed, controller=controller)
        if furnished is not None:
            others["controller"] = furnished.process
        _say(
            began, f"VaultClusterIssuer {ISSUER} is {'Ready' if furnished else 'there, without a controller'}"
        )
        try:
            _announce(state, bed, {**processes, **others})
            _watch(processes, others)
        finally:
            _forget(state)


def furnish(bed: Testbed, *, controller: bool) -> ControllerProcess | None:
    """CRDs, PKI, logins, a policy, rights and the demo issuer, and (if wanted) the controller, all Ready."""
    bed.install_crds()
    ca = LabCA(files=(LAB, SERVERS, KUBERNETES), variables=kubernetes_variables(bed, ISSUER))
    ca.apply(bed.vault)
    setup_approle(bed.vault, ca.policy)
    bed.kube.apply([lab_policy(POLICY), *use_binding(POLICY, [EVERYBODY])])
    process = ControllerProcess(bed, log_format="console", leader_elect=True)  # so that `status` finds it
    process.grant()
    bed.kube.apply(vault_cluster_issuer(bed, ISSUER, kubernetes_auth()))
    if not controller:
        return None
    process.start()
    bed.kube.wait(API_VERSION, "VaultClusterIssuer", ISSUER)
    bed.kube.wait(API_VERSION, "CertificateRequestPolicy", POLICY)
    return process


def _announce(state: Path, bed: Testbed, processes: dict[str, Process]) -> None:
    details = {
        "processes": {name: {"pid": one.pid, "log": str(one.log)} for name, one in processes.items()},
    }
    current = {
        "kubeconfig": str(bed.kubeconfig),
        "server": bed.server,
        "token": bed.token,
        "vaultAddr": bed.vault.addr,
        "vaultToken": bed.vault.token,
        "vaultCAFile": str(bed.vault.ca_file),
        # Two of three unseal it: whoever seals it to see what happens needs nothing else.
        "vaultUnsealKeys": list(bed.vault.unseal_keys),
    }
    # current.json last and by rename: who sees it sees all of it.
    write_private(state / "details.json", json.dumps(details, indent=2).encode())
    write_private(state / "current.json.new", json.dumps(current, indent=2).encode())
    (state / "current.json.new").rename(state / "current.json")


def _watch(servers: dict[str, Process], others: dict[str, Process]) -> None:
    """Return never: SIGTERM unwinds, and the end of a server is an error. Others' ends are told."""
    while True:
        for name, process in servers.items():
            if not process.running:
                raise TestbedError(f"{name} ended with code {process.returncode}: see {process.log}")
        for name in [name for name, process in others.items() if not process.running]:
            process = others.pop(name)
            print(f"{name} ended with code {process.returncode}: see {process.log}", flush=True)
        time.sleep(1)


def down(state: Path = STATE) -> bool:
    """Stop the testbed of this clone wholly; False when none ran."""
    pid = running(state)
    if pid is None:
        _clear(state)
        return False
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if _wait_released(state, STOP_SECONDS):
            _clear(state)
            return True
    raise TestbedError(f"process {pid} holds {state / 'lock'} and does not end even by SIGKILL")


def _wait_released(state: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while running(state) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def running(state: Path = STATE) -> int | None:
    """Process id of the supervisor, None when none lives."""
    with contextlib.suppress(FileNotFoundError), (state / "lock").open("rb") as file:
        for _ in range(50):
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                text = file.read()
                if text.endswith(b"\n"):
                    return int(text)
                time.sleep(_POLL_SECONDS)  # it is just writing its id
            else:
                return None
    return None


@contextlib.contextmanager
def _held(state: Path) -> Iterator[None]:
    with (state / "lock").open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise TestbedError(f"another testbed of {state.parent} runs: `make down` stops it") from error
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        file.flush()
        yield


def _forget(state: Path) -> None:
    for name in ("current.json", "current.json.new", "details.json"):
        (state / name).unlink(missing_ok=True)


def _clear(state: Path) -> None:
    """Remove what a testbed leaves; the lock file stays, as another process may be taking it."""
    _forget(state)
    (state / "up.log").unlink(missing_ok=True)
    shutil.rmtree(state / "data", ignore_errors=True)


def current(state: Path = STATE) -> dict[str, Any] | None:
    """What ``current.json`` says while a testbed runs, else None."""
    if running(state) is None:
        return None
    with contextlib.suppress(FileNotFoundError):
        found: dict[str, Any] = json.loads((state / "current.json").read_text())
        return found
    return None


def summary(state: Path = STATE) -> str:
    """How to reach the running testbed, and the state of each process, as text for people."""
    told = current(state)
    if told is None:
        return "no testbed runs here" if running(state) is None else f"it is starting: see {state / 'up.log'}"
    details: dict[str, Any] = json.loads((state / "details.json").read_text())
    lines = ["process              state    log"]
    for name, one in details["processes"].items():
        lives = "running" if Path(f"/proc/{one['pid']}").exists() else "ENDED"
        lines.append(f"{name:<20} {lives:<8} {one['log']}")
    return "\n".join(
        [
            *lines,
            "",
            *exports(told, state),
            "",
            f'now: eval "$(make -s env)" && kubectl get vaultclusterissuer {ISSUER}',
        ]
    )


def exports(told: dict[str, Any], state: Path = STATE) -> list[str]:
    """What a shell needs to reach it, as its commands; the token itself is not among them."""
    token = f"import json; print(json.load(open({str(state / 'current.json')!r}))['vaultToken'])"
    return [
        f"export KUBECONFIG={shlex.quote(told['kubeconfig'])}",
        f"export VAULT_ADDR={told['vaultAddr']} VAULT_CACERT={shlex.quote(told['vaultCAFile'])}",
        # Screens are shared and logs kept.
        f"export VAULT_TOKEN=$({shlex.quote(sys.executable)} -c {shlex.quote(token)})",
        f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
    ]


def _say(began: float, text: str) -> None:
    print(f"[{time.monotonic() - began:5.1f} s] {text}", flush=True)
