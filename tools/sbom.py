"""Writes what an installation consists of as a CycloneDX 1.6 bill of materials. Standard library only.

python tools/sbom.py --packages DIRECTORY --lock locks/runtime.txt [--dpkg /var/lib/dpkg] --output FILE

The packages are those whose metadata lies in DIRECTORY, which may be repeated, each with the hashes that the
lock allows for it, and those that dpkg has installed in the base image. Nothing in it depends on when or
where it was made. Sources: CycloneDX 1.6 JSON reference; purl-spec, type deb.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import uuid
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = "vault-issuer"
_REQUIREMENT = re.compile(r"^([A-Za-z0-9._-]+)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when it is written."""
    parser = argparse.ArgumentParser(description="Write a CycloneDX bill of materials.")
    parser.add_argument(
        "--packages",
        type=Path,
        required=True,
        action="append",
        help="directory with installed packages; may be repeated",
    )
    parser.add_argument("--lock", type=Path, required=True, help="the hashed lock they came from")
    parser.add_argument("--dpkg", type=Path, help="dpkg's folder in the base image, such as /var/lib/dpkg")
    parser.add_argument("--os-release", type=Path, default=Path("/etc/os-release"), help="the base image's")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    found = distributions(path=[str(one) for one in options.packages])
    base = base_packages(options.dpkg, options.os_release) if options.dpkg else ()
    bill = bill_of_materials(found, locked_hashes(options.lock.read_text(encoding="utf-8")), base)
    options.output.write_text(json.dumps(bill, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def bill_of_materials(
    found: Iterable[Distribution], hashes: dict[str, list[str]], base: Iterable[dict[str, Any]] = ()
) -> dict[str, Any]:
    """Return the document for these distributions and the base's; `hashes` are sha256 by normalised name."""
    every = {_normal(_stated(one, "Name") or ""): one for one in found}
    if ROOT not in every:
        raise ValueError(f"{ROOT} is not among the packages: {', '.join(sorted(every)) or 'none'}")
    components = {name: _component(name, one, hashes.get(name, [])) for name, one in sorted(every.items())}
    root = components.pop(ROOT)
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**root, "type": "application"}},
        "components": [*components.values(), *base],
        "dependencies": [
            {"ref": _purl(name, one), "dependsOn": _needs(one, every)} for name, one in sorted(every.items())
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {**body, "serialNumber": f"urn:uuid:{serial}"}


def base_packages(dpkg: Path, os_release: Path) -> list[dict[str, Any]]:
    """Return a component for each package that dpkg has installed; images without a shell have `status.d`."""
    files = [dpkg / "status", *sorted((dpkg / "status.d").glob("*"))]
    there = [file for file in files if file.is_file() and file.suffix != ".md5sums"]
    texts = [file.read_text(encoding="utf-8") for file in there]
    stanzas = [one for text in texts for one in text.split("\n\n") if one.strip()]
    # The fields here have one line each; those that go on begin with a space there.
    every = [dict(re.findall(r"^([A-Za-z-]+): (.*)$", one, re.MULTILINE)) for one in stanzas]
    installed = [one for one in every if one.get("Status", "install ok installed").endswith(" installed")]
    system = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', os_release.read_text(encoding="utf-8"), re.MULTILINE))
    return [_base_component(one, system) for one in sorted(installed, key=lambda one: one["Package"])]


def _base_component(package: dict[str, str], system: dict[str, str]) -> dict[str, Any]:
    name, version = package["Package"], package["Version"]
    origin = system.get("ID", "debian")
    distribution = f"{origin}-{system.get('VERSION_ID', '')}".rstrip("-")
    query = f"arch={package['Architecture']}&distro={distribution}"
    purl = f"pkg:deb/{origin}/{quote(name, safe='')}@{quote(version, safe='')}?{query}"
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def locked_hashes(text: str) -> dict[str, list[str]]:
    """sha256 of the files a lock allows, by package."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        start = re.match(r"([A-Za-z0-9._-]+)==", line)
        if start:
            name = _normal(start[1])
        found.setdefault(name, []).extend(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
    return found


def _component(name: str, one: Distribution, hashes: list[str]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _purl(name, one),
        "name": name,
        "version": one.version,
        "purl": _purl(name, one),
    }
    if summary := _stated(one, "Summary"):
        component["description"] = summary
    expression = _stated(one, "License-Expression")
    if expression:
        component["licenses"] = [{"expression": expression}]
    elif named := _licence_name(one):
        component["licenses"] = [{"license": {"name": named}}]
    if hashes:
        # A package has one file a platform; which was installed isn't recorded.
        component["properties"] = [{"name": "locked:sha256", "value": value} for value in sorted(hashes)]
    return component


def _stated(one: Distribution, name: str) -> str | None:
    """The first value of a field of its metadata. By subscript, an absent one warns since Python 3.12."""
    found = one.metadata.get_all(name)
    return str(found[0]) if found else None


def licence(one: Distribution) -> str | None:
    """Return a package's licence as its metadata names it."""
    return _stated(one, "License-Expression") or _licence_name(one)


def _licence_name(one: Distribution) -> str | None:
    classified = [
        value.rpartition(" :: ")[2]
        for value in one.metadata.get_all("Classifier") or ()
        if value.startswith("License ::")
    ]
    stated = _stated(one, "License")
    short = stated if stated and "\n" not in stated and len(stated) <= 80 else None
    return short or ", ".join(classified) or None


def _needs(one: Distribution, every: dict[str, Distribution]) -> list[str]:
    names = {
        _normal(match[1])
        for text in one.requires or ()
        if "extra ==" not in text and (match := _REQUIREMENT.match(text))
    }
    return [_purl(name, every[name]) for name in sorted(names & every.keys())]


def _purl(name: str, one: Distribution) -> str:
    return f"pkg:pypi/{name}@{one.version}"


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
