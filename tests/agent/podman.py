"""A real Podman with an API socket, and nginx in a container of it. Needs root, runc and busybox-static."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from testbed.errors import TestbedError
from testbed.processes import PATIENCE
from testbed.web_servers import find_web_server
from tests.agent.servers import RunningServer, nginx

LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")


class Podman:
    """Podman with storage of its own in `folder`; `socket` is its API's."""

    def __init__(self, folder: Path) -> None:
        program, runtime = shutil.which("podman"), shutil.which("runc", path="/usr/sbin:/usr/bin")
        if program is None or runtime is None or os.geteuid() != 0 or not Path("/bin/busybox").exists():
            raise TestbedError(
                "containers need root, podman, runc and busybox-static: tools/podman-packages.sh"
            )
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.socket = folder / "podman.sock"
        # Podman takes no run root of more than 50 characters.
        self._roots = Path(tempfile.mkdtemp(prefix="podman-"))
        roots = ("--root", str(self._roots / "storage"), "--runroot", str(self._roots / "run"))
        self._words = (
            *(program, "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--runtime", runtime),
            *("--events-backend", "none", *roots),
        )

    def run(self, *words: str) -> str:
        """Run one command to its end; returns what it printed."""
        done = subprocess.run([*self._words, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise TestbedError(f"podman {words[0]}: {done.stderr.strip()[-800:]}")
        return done.stdout.strip()

    @contextmanager
    def service(self) -> Iterator[None]:
        """Serve the API at `socket`."""
        words = [*self._words, "system", "service", "--time", "0", f"unix://{self.socket}"]
        with (self.folder / "service.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            ends = time.monotonic() + PATIENCE
            while not self.socket.exists() and time.monotonic() < ends:
                time.sleep(0.05)
            yield
        finally:
            process.terminate()
            process.wait()
            shutil.rmtree(self._roots, ignore_errors=True)

    def image(self) -> str:
        """Make an image of Debian's busybox, and return its name."""
        tree = self.folder / "tree"
        for name in ("bin", "usr", "lib", "lib64", "etc", "tmp", "run"):
            (tree / name).mkdir(parents=True, exist_ok=True)
        shutil.copy("/bin/busybox", tree / "bin" / "busybox")
        (tree / "bin" / "sh").symlink_to("busybox")
        archive = self.folder / "image.tar"
        subprocess.run(["tar", "-C", str(tree), "-cf", str(archive), "."], check=True)
        self.run("import", str(archive), "localhost/busybox")
        archive.unlink()
        return "localhost/busybox"


@contextmanager
def contained_nginx(podman: Podman, folder: Path, pem: Path) -> Iterator[RunningServer]:
    """nginx in a container that mounts the set's folder; labelled tls=true and owner=soak."""
    folder.mkdir(exist_ok=True)
    image = podman.image()
    found = find_web_server("nginx")
    mounts = [pem.parent, folder, found.program.parents[2]]
    volumes = [word for path in mounts for word in ("--volume", f"{path}:{path}")]
    libraries = [
        word for path in ("/usr", "/lib", "/lib64", "/etc") for word in ("--volume", f"{path}:{path}:ro")
    ]
    variables = [word for key, value in found.environment.items() for word in ("--env", f"{key}={value}")]
    labels = ("--label", "tls=true", "--label", "owner=soak")
    with podman.service(), nginx(folder, pem, start=False) as server:
        command = (str(found.program), "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log"))
        words = ("--network", "host", *LIMITS, *labels, *volumes, *libraries, *variables)
        podman.run("run", "--detach", "--name", "web", *words, image, *command)
        try:
            server.wait()
            yield server
        finally:
            podman.run("rm", "--force", "--time", "1", "web")
