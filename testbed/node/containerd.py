"""containerd with state, socket and configuration of its own, and images brought to it as files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from testbed.node.tools import run
from testbed.processes import Process

_STATE = Path("/run/containerd")
PAUSE = "vault-issuer-testbed/pause:1"
_CONFIGURATION = """\
version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without it runc may not lower a score and dies with "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{cni}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "runc"
"""


LIBRARY = "docker.io/library"
"""The registry under which a container runtime keeps an image that is called by a name without one."""


def full_name(image: str) -> str:
    """The name under which a container runtime keeps an image that is called by a short one."""
    return f"docker.io/{image}" if "/" in image else f"{LIBRARY}/{image}"


class Containerd:
    """The container runtime; its processes die with the namespace it runs in."""

    def __init__(
        self, directory: Path, cni: Path | None = None, *, root: Path | None = None, state: Path = _STATE
    ) -> None:
        """Prepare one with its files in `directory`; images and containers are in `root`, if it is given."""
        directory.mkdir(parents=True)
        self.root = root or directory / "root"
        self.socket = state / "containerd.sock"
        self._configuration = directory / "config.toml"
        self._configuration.write_text(
            _CONFIGURATION.format(
                root=self.root,
                state=state,
                socket=self.socket,
                pause=full_name(PAUSE),
                plugins="/usr/lib/cni",
                cni=cni or directory / "cni",
            )
        )
        self.process = Process("containerd", directory / "containerd.log")

    def start(self, below: Sequence[str] = ()) -> None:
        """Start it, as the last words of a command if one is given, and wait until it answers."""
        self.process.start([*below, "/usr/bin/containerd", f"--config={self._configuration}"])
        self.process.wait_ready(lambda: "containerd successfully booted" in self.process.output())

    def load(self, archive: Path) -> None:
        """Import the images of an archive under the names in it."""
        self._ctr("images", "import", archive)

    def tag(self, old: str, new: str) -> None:
        """A second name for an image."""
        self._ctr("images", "tag", full_name(old), full_name(new))

    def _ctr(self, *words: str | Path) -> str:
        return run(*self.command(), *words)

    def command(self) -> list[str]:
        """How its command line is called for what Kubernetes runs."""
        return ["ctr", f"--address={self.socket}", "--namespace=k8s.io"]
