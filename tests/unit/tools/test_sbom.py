"""The bill of materials names every installed package with its version, licence and locked hashes."""

from __future__ import annotations

import json
import re
from importlib.metadata import distributions
from pathlib import Path

import pytest

from tools.sbom import base_packages, bill_of_materials, locked_hashes, main
from tools.wheels import ARCHITECTURES, command

ROOT = Path(__file__).parents[3]
LOCK = ROOT / "locks" / "runtime.txt"


def test_it_says_what_is_installed_and_the_same_each_time(tmp_path: Path) -> None:
    hashes = locked_hashes(LOCK.read_text())
    bill = bill_of_materials(distributions(), hashes)
    assert bill == bill_of_materials(distributions(), hashes)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["component"]["purl"].startswith("pkg:pypi/vault-issuer@")
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    found = {one["name"]: one for one in bill["components"]}
    assert len(found["aiohttp"]["properties"]) == len(hashes["aiohttp"])
    assert all(one["purl"] == f"pkg:pypi/{name}@{one['version']}" for name, one in found.items())
    (own,) = [one for one in bill["dependencies"] if one["ref"] == bill["metadata"]["component"]["purl"]]
    assert found["hvac"]["purl"] in own["dependsOn"]
    references = {one["bom-ref"] for one in [*bill["components"], bill["metadata"]["component"]]}
    assert {name for one in bill["dependencies"] for name in one["dependsOn"]} <= references


STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u10
Description: the C library
 Version: none

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


@pytest.mark.parametrize("name", ["status", "status.d/libc6"])
def test_it_has_what_the_base_has_installed(name: str, tmp_path: Path) -> None:
    file = tmp_path / "dpkg" / name
    file.parent.mkdir(parents=True)
    file.write_text(STATUS)
    (tmp_path / "os-release").write_text('ID=debian\nVERSION_ID="12"\nNAME="Debian"\n')
    base = base_packages(tmp_path / "dpkg", tmp_path / "os-release")
    bill = bill_of_materials(distributions(), {}, base)
    (found,) = [one for one in bill["components"] if one["purl"].startswith("pkg:deb/")]
    assert found["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12"


def test_nearly_every_package_names_its_licence() -> None:
    bill = bill_of_materials(distributions(), {})
    locked = set(locked_hashes(LOCK.read_text()))
    without = {one["name"] for one in bill["components"] if not one.get("licenses")} & locked
    assert not without


def test_a_folder_without_the_product_is_refused(tmp_path: Path) -> None:
    words = ["--packages", str(tmp_path), "--lock", str(LOCK), "--output", str(tmp_path / "out")]
    with pytest.raises(ValueError, match="vault-issuer is not among the packages: none"):
        main(words)


def test_it_is_written_as_json(tmp_path: Path) -> None:
    (tmp_path / "vault_issuer-1.dist-info").mkdir()
    (tmp_path / "vault_issuer-1.dist-info" / "METADATA").write_text("Name: vault-issuer\nVersion: 1\n")
    out = tmp_path / "bill.json"
    assert main(["--packages", str(tmp_path), "--lock", str(LOCK), "--output", str(out)]) == 0
    assert json.loads(out.read_text())["metadata"]["component"]["version"] == "1"


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_wheels_are_locked_and_for_the_image(arch: str, tmp_path: Path) -> None:
    words = command("3.13", arch, tmp_path)
    assert "--require-hashes" in words
    assert "--only-binary=:all:" in words
    assert f"--platform=manylinux_2_28_{ARCHITECTURES[arch]}" in words
    assert [word for word in words if word.endswith(".txt")] == [
        str(ROOT / "locks" / name) for name in ("build.txt", "runtime.txt")
    ]
