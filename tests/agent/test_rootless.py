"""A real rootless Podman of an unprivileged user: whose the agent's files are, seen in its containers."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from issuer.agent.files import owners
from issuer.agent.files.opening import opened_set
from issuer.agent.files.owners import owner_of
from issuer.agent.files.writing import NewFile
from tests.agent.podman import LIMITS

USER = pwd.getpwnam("nobody")
PODMAN = (
    *("podman", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"),
    *("--events-backend", "none", "--runtime", "/usr/sbin/runc"),
)
NEEDED = ("podman", "newuidmap", "setpriv", "unshare")
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: needs root"),
    pytest.mark.skipif(
        not all(map(shutil.which, NEEDED)) or not Path("/bin/busybox").exists(),
        reason=f"needs {', '.join(NEEDED)} and busybox-static: tools/podman-packages.sh",
    ),
]


@contextmanager
def home() -> Iterator[Path]:
    """A folder that everybody may pass through; pytest's are root's alone."""
    with tempfile.TemporaryDirectory(prefix="rootless-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for one in ("home", "run"):
            (folder / one).mkdir(mode=0o700)
            os.chown(folder / one, USER.pw_uid, USER.pw_gid)
        (folder / "subids").write_text(f"{USER.pw_name}:200000:65536\n")
        (folder / "subids").chmod(0o644)
        yield folder


def as_user(folder: Path, script: str) -> str:
    """Run a script as the user, with ranges of subordinate IDs that only it and its programs see."""
    bound = " && ".join(f"mount --bind {folder}/subids /etc/{name}" for name in ("subuid", "subgid"))
    environment = f"HOME={folder}/home XDG_RUNTIME_DIR={folder}/run PATH=/usr/sbin:/usr/bin:/sbin:/bin"
    become = f"setpriv --reuid={USER.pw_uid} --regid={USER.pw_gid} --clear-groups env -i {environment}"
    words = [
        "unshare",
        "--mount",
        "sh",
        "-euc",
        f'{bound} && cd / && exec {become} sh -euc "$1"',
        "sh",
        script,
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def tree(folder: Path) -> Path:
    """An archive of Debian's busybox."""
    for name in ("bin", "etc", "tmp", "run"):
        (folder / "tree" / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", folder / "tree" / "bin" / "busybox")
    (folder / "tree" / "bin" / "sh").symlink_to("busybox")
    archive = folder / "image.tar"
    subprocess.run(["tar", "-C", str(folder / "tree"), "-cf", str(archive), "."], check=True)
    archive.chmod(0o644)
    return archive


def test_container_reads_its_key_and_sees_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = 1000
    with home() as folder:
        for name in ("SUBUID", "SUBGID"):
            monkeypatch.setattr(owners, name, folder / "subids")
        maps = {"default": (False, ""), "keep": (True, "--userns=keep-id")}
        for name, (keep_id, _) in maps.items():
            owner = owner_of(f"container:{USER.pw_name}:{inside}", None, keep_id=keep_id)
            with opened_set(folder / name, frozenset({owner.uid or 0})) as opened:
                opened.write({"tls.key": NewFile(b"key", 0o600, owner)}, {})
        own = folder / "own"  # what an agent of the user itself writes, without an owner
        own.mkdir()
        (own / "tls.key").write_bytes(b"key")
        (own / "tls.key").chmod(0o600)
        for path in (own, own / "tls.key"):
            os.chown(path, USER.pw_uid, USER.pw_gid)
        options = {name: option for name, (_, option) in maps.items()}
        options["own"] = f"--userns=keep-id:uid={inside},gid={inside}"
        read = "busybox stat -L -c %u:%g:%a /tls/tls.key; busybox cat /tls/tls.key"
        run = " ".join((*PODMAN, "run", "--rm", "--network", "host", *LIMITS, "--user", f"{inside}:{inside}"))
        script = f"{' '.join(PODMAN)} import {tree(folder)} localhost/busybox >/dev/null 2>&1\n" + "".join(
            f"{run} {option} --volume {folder}/{name}:/tls localhost/busybox sh -c '{read}'; echo\n"
            for name, option in options.items()
        )
        assert as_user(folder, script).split() == [f"{inside}:{inside}:600", "key"] * 3
        # What Podman made is its user's subordinates': only its namespace may remove it.
        as_user(folder, f"{' '.join(PODMAN)} unshare rm -rf {folder}/home/.local {folder}/run/libpod || true")
