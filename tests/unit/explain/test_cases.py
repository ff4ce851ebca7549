"""`policy test`: files of cases, as a GitOps repository's CI runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import csr_pem
from tests.unit.explain.conftest import Build, Folder, Result

ORGANIZATIONS = "spec.allowed.subject.organizations"


@pytest.fixture
def run(folder: Folder, certificate: Build, policy: Build) -> Callable[..., Result]:
    """Runs cases; each is completed to one that passes."""
    folder.write("policies/web.yaml", policy())
    folder.write("requests/web.yaml", certificate())
    folder.write("requests/web.csr", csr_pem("www.lab.example"))
    base = {"request": "requests/web.yaml", "policies": ["policies"], "allowUse": ["web"]}

    def go(*cases: dict[str, Any], options: tuple[str, ...] = ()) -> Result:
        full = [{"name": f"case {i}", "expect": "Approved", **base, **case} for i, case in enumerate(cases)]
        return folder.run("test", folder.write("cases.yaml", {"cases": full}), *options)

    return go


def test_cases_that_go_as_expected_pass(run: Callable[..., Result], certificate: Build) -> None:
    denied = certificate(subject={"organizations": ["Lab"]})
    issuer = {"issuer": "VaultClusterIssuer/demo", "namespace": "team-a", "duration": "1h"}
    result = run(
        {},
        {"request": denied, "expect": "Denied", "violations": [ORGANIZATIONS]},
        {"allowUse": [], "expect": "Unprocessed", "violations": []},
        {"request": "requests/web.csr", "allowUse": "*", **issuer},
    )
    assert result.code == 0, result.stdout
    assert "ok    case 0: Approved by web" in result.stdout
    assert "4 cases: 4 passed, 0 failed" in result.stdout


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({"expect": "Denied"}, "expected Denied, got Approved"),
        ({"violations": [ORGANIZATIONS]}, f"expected a violation of {ORGANIZATIONS}, and there is none"),
        ({"allowUse": []}, "expected Approved, got Unprocessed"),
    ],
)
def test_a_case_that_goes_otherwise_fails_and_says_how(
    run: Callable[..., Result], case: dict[str, Any], told: str
) -> None:
    result = run({}, case)
    assert result.code == 1
    assert "FAIL  case 1" in result.stdout
    assert told in result.stdout
    assert "2 cases: 1 passed, 1 failed" in result.stdout


def test_a_violation_nobody_expected_fails_the_case(run: Callable[..., Result], certificate: Build) -> None:
    request = certificate(subject={"organizations": ["Lab"]}, dnsNames=["a.test"])
    result = run({"request": request, "expect": "Denied", "violations": [ORGANIZATIONS]})
    assert result.code == 1
    assert "spec.allowed.dnsNames.values was not expected" in result.stdout


def test_the_requester_can_be_named(run: Callable[..., Result], folder: Folder, policy: Build) -> None:
    rule = {"rule": "cr.username == 'jane' && 'dev' in cr.groups"}
    folder.write("policies/web.yaml", policy(allowed={"dnsNames": {"validations": [rule]}}))
    result = run({"as": "jane", "groups": ["dev"]}, {"as": "jane", "expect": "Denied"})
    assert result.code == 0, result.stdout


def test_json_has_every_case_and_the_counts(run: Callable[..., Result]) -> None:
    result = run({}, {"expect": "Denied"}, {"request": "gone.yaml"}, options=("-o", "json"))
    assert result.code == 3
    found = result.json()
    assert [case["passed"] for case in found["cases"]] == [True, False, False]
    assert (found["passed"], found["failed"], found["errors"]) == (1, 1, 1)
    assert "gone.yaml" in found["cases"][2]["error"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"cases": []}, "nothing would be tested"),
        ({"case": []}, "cases"),
        ({"cases": [{"name": "a", "request": "r", "policies": "p"}]}, "cases.0.expect"),
        ({"cases": [{"name": "a", "request": "r", "policies": "p", "expect": "Yes"}]}, "cases.0.expect"),
        ({"cases": [{"name": "a", "request": "r", "policies": "p", "expect": "Denied", "asd": 1}]}, "asd"),
        ({"cases": [{"name": "a", "request": "r", "policies": "p", "expect": "Denied"}] * 2}, "two cases"),
    ],
)
def test_a_file_that_is_not_one_of_cases_is_bad_input(
    folder: Folder, content: dict[str, Any], told: str
) -> None:
    result = folder.run("test", folder.write("cases.yaml", content))
    assert result.code == 3
    assert told in result.stderr


@pytest.mark.parametrize(
    ("case", "told"),
    [
        ({"request": "gone.yaml"}, "gone.yaml can't be read"),
        ({"allowUse": ["webb"]}, "no such policy"),
        ({"request": "policies/web.yaml"}, "holds no request"),
        ({"request": "-"}, "standard input"),
        ({"request": "requests/web.csr"}, "--issuer"),
    ],
)
def test_a_case_that_can_not_be_judged_stops_no_other(
    run: Callable[..., Result], case: dict[str, Any], told: str
) -> None:
    result = run(case, {})
    assert result.code == 3
    assert told in result.stdout
    assert "ok    case 1" in result.stdout
    assert "1 could not be judged" in result.stdout
