"""``make e2e``: the chart and the image on a real node, of which nothing is left.

``python -m testbed.node [--release] [PYTEST-ARGUMENTS]``, with ``--release`` what `make release` writes;
``SHELL_ONLY=1`` gives a shell there instead of the tests.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from testbed.builds import CERT_MANAGER, HELM, KUBE_APISERVER, KUBE_NODE, build
from testbed.cache import new_data_directory
from testbed.errors import TestbedError
from testbed.node import cgroups, requirements
from testbed.node.images import PREVIOUS, packages, pause_image, previous_image, project_image
from testbed.node.inside import NO_NODE
from testbed.node.kept import kept_images
from testbed.node.namespaces import enter
from testbed.node.previous import previous_version
from testbed.node.released import made_release
from testbed.progress import Progress, spoken

RELEASE: Final = "--release"
_OF_A_RELEASE: Final = "test_dist or both_replicas or workload_serves or helm_test or test_uninstall"


def main(arguments: list[str]) -> int:
    """Exit code of the tests; 0 when they are skipped, 1 with one message when an image can't be built."""
    reason = requirements.reason_not_to() or requirements.install()
    if reason:
        print(f"make e2e is skipped: {reason}.")
        return 0
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    try:
        with _directory() as directory:
            return _run(directory, arguments, began)
    except TestbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        print(f"make e2e took {spoken(time.monotonic() - began)}", flush=True)


def _run(directory: Path, arguments: list[str], began: float) -> int:
    progress = Progress("make e2e")
    for one in (KUBE_APISERVER, CERT_MANAGER, KUBE_NODE, HELM):
        build(one)
    of_a_release = arguments[:1] == [RELEASE]
    try:
        pause = pause_image(progress)
        kept = kept_images([pause], progress) if of_a_release else None
    except TestbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return NO_NODE
    if of_a_release:
        release = made_release(directory / "release", progress)
        plan = {
            "kept": str(kept),
            "images": [str(release.archive)],
            "image": release.image,
            "imageMegabytes": None,
            "previous": None,
            "dist": str(release.dist),
            "arguments": ["-k", _OF_A_RELEASE, *arguments[1:]],
        }
    else:
        plan = _of_this_tree(pause, arguments, progress)
    (directory / "plan.json").write_text(json.dumps(plan))
    progress.say(f"servers and images are there ({spoken(time.monotonic() - began)})")
    return enter([sys.executable, "-m", "testbed.node.inside", directory])


def _of_this_tree(pause: Path, arguments: list[str], progress: Progress) -> dict[str, Any]:
    previous = previous_version()
    image = project_image(progress)
    older = previous_image(previous.commit, progress) if previous else None
    kept = [pause, packages(progress) / "image.tar", *([older] if older else ())]
    return {
        "kept": str(kept_images(kept, progress)),
        "images": [str(image.archive)],
        "image": image.name,
        "imageMegabytes": [image.unpacked_mb, image.gzipped_mb],
        "previous": {"commit": previous.commit, "image": PREVIOUS} if previous else None,
        "dist": None,
        "arguments": arguments,
    }


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A data directory; what crashed runs left is removed first, what we leave afterwards."""
    directory, lock = new_data_directory()
    cgroups.sweep(directory.parent)
    try:
        yield directory
    finally:
        cgroups.remove(directory.name)
        kept = os.environ.get("KEEP_LOGS")
        if kept:
            with contextlib.suppress(OSError):
                shutil.copytree(directory, kept, ignore=_not_logs, symlinks=True, dirs_exist_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
        os.close(lock)


def _not_logs(folder: str, names: list[str]) -> list[str]:
    return [one for one in names if not (one.endswith((".log", ".json")) or (Path(folder) / one).is_dir())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
