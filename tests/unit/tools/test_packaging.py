"""What describes the packages is up to date, and what is ignored has a reason."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from typing import Any

import pytest
import yaml

from issuer.site import SITE
from tools.audit import LOCKS, NOT_JUDGED, command, ended
from tools.lock import OLDEST, without_addresses
from tools.notices import NOTICE, ROOT, text
from tools.sbom import locked_hashes

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_only_what_users_install_is_an_extra() -> None:
    assert PROJECT["project"]["optional-dependencies"].keys() == {"testing", "tracing"}
    assert {"dev", "bench", "docs", "go"} <= PROJECT["dependency-groups"].keys()


def test_the_addresses_of_the_package_are_those_of_the_site() -> None:
    urls = PROJECT["project"]["urls"]
    assert urls == {"Homepage": SITE.removesuffix("/docs"), "Documentation": SITE}


def test_the_locks_are_for_the_oldest_python() -> None:
    required = PROJECT["project"]["requires-python"]
    assert required == f">={OLDEST}"
    assert tomllib.loads((LOCKS / "pylock.toml").read_text())["requires-python"] == required


def test_artifact_hub_is_told_of_a_prerelease_as_long_as_the_package_is_an_alpha() -> None:
    described = yaml.safe_load((ROOT / "charts" / "vault-issuer" / "Chart.yaml").read_text())
    alpha = any(one.startswith("Development Status :: 3") for one in PROJECT["project"]["classifiers"])
    assert described["annotations"]["artifacthub.io/prerelease"] == str(alpha).lower()


def test_scanners_read_the_versions_of_the_lock_and_no_index() -> None:
    written = (LOCKS / "pylock.toml").read_text()
    assert "://" not in written
    locked = re.findall(r"^([a-z0-9._-]+)==(\S+)", (LOCKS / "runtime.txt").read_text(), re.MULTILINE)
    packages = tomllib.loads(written)["packages"]
    assert {(one["name"], one["version"]) for one in packages} == set(locked)
    hashes = locked_hashes((LOCKS / "runtime.txt").read_text())
    for one in packages:
        assert {wheel["hashes"]["sha256"] for wheel in one["wheels"]} <= set(hashes[one["name"]])


def test_addresses_become_names_of_files() -> None:
    made = without_addresses(
        'index = "https://i.example.com/simple"\nx = { url = "https://f.example.com/a/b/c-1.whl" }\n'
    )
    assert made == 'x = { path = "../wheels/c-1.whl" }\n'


def test_the_notice_names_every_package_that_is_installed_beside_us() -> None:
    # Not the other way round: some packages are for newer or older Pythons alone.
    written = NOTICE.read_text()
    missing = [name for name in re.findall(r"^(\S+): ", text(), re.MULTILINE) if f"\n{name}: " not in written]
    assert not missing, "run `make lock`"
    assert "aiohttp: Apache-2.0" in written


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"id": "GHSA-1", "reason": "", "until": date(2027, 1, 1)}, "no reason"),
        ({"id": "GHSA-1", "reason": "not imported", "until": date(2026, 1, 1)}, "looked at again"),
    ],
)
def test_nothing_is_ignored_without_a_reason_or_for_ever(entry: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        command([entry], date(2026, 11, 27))


def test_a_service_without_an_answer_is_no_vulnerability(capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(1, "ERROR:pip_audit._cli:aiohttp: Dependency not found on PyPI\n") == NOT_JUDGED
    assert "nothing was judged" in capsys.readouterr().err
    assert (ended(1, "Found 1 known vulnerability in 1 package\n"), ended(0, "")) == (1, 0)
    assert capsys.readouterr().err == ""


def test_what_is_ignored_is_named_to_pip_audit() -> None:
    entry = {"id": "GHSA-1", "reason": "not imported", "until": date(2027, 1, 1)}
    assert "--ignore-vuln=GHSA-1" in command([entry], date(2026, 11, 27))
    assert tomllib.loads((LOCKS / "audit-ignored.toml").read_text())["ignored"] == []


def test_commits_are_checked_by_make_check() -> None:
    assert "entry: make --silent check" in (ROOT / ".pre-commit-config.yaml").read_text()
    assert json.loads((ROOT / "renovate.json").read_text())["packageRules"]
    assert "SECURITY.md" in (ROOT / "README.md").read_text()
