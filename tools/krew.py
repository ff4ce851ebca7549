"""Writes the manifest by which krew installs `kubectl vault-issuer` from archives of `make zipapp`.

python -m tools.krew --url https://… ARCHIVE...

`--url` is the folder that the archives are downloaded from. Nothing here names a host: the homepage is the
repository's (`tools.repository`). Source: https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from issuer import __version__
from tools.repository import VARIABLE, repository
from tools.sources import ROOT
from tools.zipapp import COMMAND, PLUGINS, Target

API_VERSION = "krew.googlecontainertools.github.com/v1alpha2"
SHORT = "Explain why certificates wait"
DESCRIPTION = """\
Shows the issuers, policies and requests of vault-issuer, a cert-manager external
issuer for HashiCorp Vault and OpenBao PKI: "status" at a glance, "explain" why a
request waits or was denied and what to do, "inspect" a request taken apart down to
each signature of its chain, and "policy" to try policies before they are applied.
It reads as the kubeconfig's user, and no Secrets.
"""
_ARCHIVE = re.compile(r"vault-issuer-(?P<version>.+)-linux-(?P<arch>\w+)-python(?P<python>3\.\d+)\.tar\.gz")


class BadArchive(Exception):
    """Archives that no manifest can have; the message says why."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when it is written, 2 with the reason on standard error."""
    parser = argparse.ArgumentParser(description="Write krew's manifest.")
    parser.add_argument("--url", required=True, help="folder that the archives are downloaded from")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "command" / f"{COMMAND}.yaml")
    parser.add_argument("archives", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    homepage = repository()
    try:
        if homepage is None:
            raise BadArchive(f"no homepage: set {VARIABLE}=https://… to the repository's address")
        made = manifest(options.archives, options.url, homepage)
    except (BadArchive, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    options.output.write_text(yaml.safe_dump(made, sort_keys=False, allow_unicode=True), encoding="utf-8")
    print(options.output)
    return 0


def manifest(archives: Sequence[Path], url: str, homepage: str) -> dict[str, Any]:
    """Return the manifest for these archives, one for each architecture. Raises BadArchive, OSError."""
    if not url.startswith("https://"):
        raise BadArchive(f"krew downloads by https://, and the address is {url!r}")
    targets = {path: _target(path) for path in archives}
    arches = [target.arch for target in targets.values()]
    if len(set(arches)) < len(arches):
        raise BadArchive("two archives are for one architecture: krew takes one for each")
    pythons = " or ".join(sorted({target.python for target in targets.values()}))
    return {
        "apiVersion": API_VERSION,
        "kind": "Plugin",
        "metadata": {"name": COMMAND},
        "spec": {
            "version": f"v{__version__}",
            "homepage": homepage,
            "shortDescription": SHORT,
            "description": DESCRIPTION,
            "caveats": f"It runs on Linux, and needs Python {pythons} as python3 on PATH.\n",
            "platforms": [_platform(path, target, url) for path, target in targets.items()],
        },
    }


def _target(path: Path) -> Target:
    found = _ARCHIVE.fullmatch(path.name)
    if found is None:
        raise BadArchive(f"{path} is no archive of `make zipapp`")
    target = Target(**found.groupdict())
    if target.version != __version__:
        raise BadArchive(f"{path} is of version {target.version}, and this is {__version__}: build it again")
    return target


def _platform(path: Path, target: Target, url: str) -> dict[str, Any]:
    return {
        "selector": {"matchLabels": {"os": "linux", "arch": target.arch}},
        "uri": f"{url.rstrip('/')}/{path.name}",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "bin": PLUGINS[0],
    }


if __name__ == "__main__":
    sys.exit(main())
