"""Python's warnings are few log lines of one line each."""

from __future__ import annotations

import warnings

import pytest
from structlog.testing import capture_logs

from issuer.telemetry import python_warnings
from issuer.telemetry.python_warnings import capture


@pytest.fixture(autouse=True)
def _warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a controller; pytest puts its own filters back."""
    monkeypatch.setattr("sys.warnoptions", [])
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    capture()


def test_a_thousand_of_a_place_are_ten_bounded_lines() -> None:
    with capture_logs() as lines:
        for number in range(1_000):
            warnings.warn(f"odd\n\x1b[31m certificate {number} " + "x" * 100_000, UserWarning, stacklevel=1)
    assert [one["times"] for one in lines] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert {one["log_level"] for one in lines} == {"warning"}
    assert all(one["message"].isprintable() and len(one["message"]) <= 300 for one in lines)
    assert lines[0]["category"] == "UserWarning"
    assert lines[0]["place"].startswith("test_python_warnings.py:")
    assert "__warningregistry__" not in globals() or len(globals()["__warningregistry__"]) < 10


@pytest.mark.parametrize("category", [DeprecationWarning, ResourceWarning])
def test_warnings_about_code_are_for_developers(category: type[Warning]) -> None:
    with capture_logs() as lines:
        warnings.warn("goes in 4.0", category, stacklevel=1)
    assert [one["log_level"] for one in lines] == ["debug"]


def test_options_of_pythons_own_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.warnoptions", ["error"])
    monkeypatch.setattr(warnings, "showwarning", shown := object())
    python_warnings.capture()
    assert warnings.showwarning is shown
