"""Into namespaces of our own, and what has to be set up there: mounts, the network, the node's address."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from testbed.cache import cache_directory
from testbed.errors import TestbedError
from testbed.node.tools import run

ADDRESS = "10.80.0.1"  # of the node; nobody outside sees it
PODS = "10.244.0.0/16"
_HERE = Path(__file__).parent
# Places that kubelet and CNI have built in; each becomes an empty directory of ours inside the namespace.
_OURS = ("/var/lib/kubelet", "/var/lib/cni")
_PLACES = (*_OURS, "/var/log", "/run")
# kubelet sets these for the whole machine. Files with the values it wants lie over them, so that it finds
# them set and the machine keeps its own (pkg/kubelet/cm/container_manager_linux.go, setupKernelTunables).
_TUNABLES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}


def enter(command: Sequence[str | Path]) -> int:
    """Run a command as the heart of new namespaces and return its exit code; it dies with this process."""
    with _places():
        return _enter(command)


@contextlib.contextmanager
def _places() -> Iterator[None]:
    """Directories for mounts to lie on; those that are empty go with the last node of this machine."""
    lock = cache_directory() / "locks" / "node-places.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        for place in _PLACES:
            Path(place).mkdir(parents=True, exist_ok=True)
        try:
            yield
        finally:
            with contextlib.suppress(BlockingIOError):  # another node runs
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove_empty()


def _remove_empty() -> None:
    for place in _OURS:
        with contextlib.suppress(OSError):  # somebody else's
            Path(place).rmdir()


def _enter(command: Sequence[str | Path]) -> int:
    launcher, init = _HERE.parent / "launch.py", _HERE / "init.py"
    words = [sys.executable, "-I", "-S", launcher, os.getpid(), unshare(), "--mount", "--net", "--pid"]
    words += ["--fork", "--kill-child", "--mount-proc", sys.executable, "-I", "-S", init, *command]
    child = subprocess.Popen([str(word) for word in words])
    try:
        return child.wait()
    except BaseException:  # Ctrl-C or SIGTERM: the heart gets time to end well
        child.terminate()
        _wait(child)
        raise


def unshare() -> str:
    """The path of util-linux' program that starts another in namespaces of its own."""
    found = next((path for path in ("/usr/bin/unshare", "/bin/unshare") if Path(path).exists()), None)
    if found is None:
        raise TestbedError("unshare was not found: install util-linux")
    return found


def _wait(child: subprocess.Popen[bytes]) -> None:
    try:
        child.wait(30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def furnish_mounts(directory: Path) -> None:
    """Empty directories where programs have places built in; for the namespace we are in."""
    for place in _PLACES:
        own = directory / place.strip("/").replace("/", "-")
        own.mkdir(parents=True)
        run("mount", "--bind", own, place)
    for number, (name, value) in enumerate(_TUNABLES.items()):
        file = directory / f"sysctl-{number}"
        file.write_text(f"{value}\n")
        run("mount", "--bind", file, f"/proc/sys/{name}")


def furnish_network(directory: Path) -> Path:
    """The node's address and forwarding; returns the directory of CNI's configuration."""
    run("ip", "link", "set", "lo", "up")
    # A bridge without ports: an interface that every kernel with containers has.
    run("ip", "link", "add", "node0", "type", "bridge")
    run("ip", "address", "add", f"{ADDRESS}/32", "dev", "node0")
    run("ip", "link", "set", "node0", "up")
    # Service addresses are turned into pods' on the way out, and a way out must exist for that.
    run("ip", "route", "add", "default", "dev", "node0", "src", ADDRESS)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    configuration = directory / "cni"
    configuration.mkdir()
    (configuration / "10-testbed.conflist").write_text(json.dumps(_cni(), indent=2))
    return configuration


def _cni() -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": PODS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {
        "type": "bridge",
        "bridge": "pods0",
        "isGateway": True,
        "hairpinMode": True,  # a pod may reach itself by its Service
        "ipam": addresses,
    }
    return {"cniVersion": "0.4.0", "name": "testbed", "plugins": [bridge]}
