"""Backends from entry points: loaded only by name, and refused with what to do."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from issuer.signing.backend import BackendError, Backends
from issuer.signing.backends import built_in, load_backends
from tests.example_backend.example_backend import ExampleBackend

Install = Callable[..., None]
"""Puts a module, and the metadata of a distribution that offers it, into a folder of sys.path."""

EXAMPLE = "from tests.example_backend.example_backend import ExampleBackend"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(module: str, code: str, *, name: str = "example", distribution: str = "") -> None:
        (tmp_path / f"{module}.py").write_text(code, encoding="utf-8")
        info = tmp_path / f"{(distribution or module).replace('-', '_')}-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution or module}\nVersion: 1.2.3\n", encoding="utf-8"
        )
        (info / "entry_points.txt").write_text(
            f"[vault_issuer.backends]\n{name} = {module}:Made\n", encoding="utf-8"
        )
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def class_of(body: str) -> str:
    """Code of a module whose backend is the example's, changed."""
    return f"{EXAMPLE}\n\nclass Made(ExampleBackend):\n    {body}\n"


def test_a_named_backend_stands_beside_the_built_in_ones(install: Install) -> None:
    install("outside", class_of("pass"), distribution="from-outside")
    with capture_logs() as logs:
        loaded = load_backends(["example"], logged=True)
        load_backends(["example"])
    assert [backend.name for backend in loaded] == ["vault", "step", "example"]
    assert loaded.kinds.groups == ("vault-issuer.io", "example.test")
    assert loaded.of("ExampleIssuer").name == "example"
    [entry] = logs
    assert entry["event"] == "backend loaded"
    assert (entry["backend"], entry["distribution"], entry["version"]) == ("example", "from-outside", "1.2.3")
    assert entry["file"].endswith("outside.py")
    assert entry["kinds"] == ["ExampleIssuer", "ExampleClusterIssuer"]


def test_what_is_installed_and_not_named_is_not_imported(install: Install) -> None:
    install("unnamed", "raise AssertionError('imported')")
    assert [backend.name for backend in load_backends([])] == ["vault", "step"]
    assert "unnamed" not in sys.modules


def test_kinds_of_another_controller_are_there_by_a_name_alone() -> None:
    loaded = load_backends(["step-issuer"])
    assert [backend.name for backend in loaded] == ["vault", "step", "step-issuer"]
    assert loaded.of("StepIssuer.certmanager.step.sm").peer == "step-issuer"


def test_a_built_in_name_can_not_be_taken(install: Install) -> None:
    install("taker", "raise AssertionError('imported')", name="vault")
    with pytest.raises(BackendError, match="--backends vault: that is a built-in backend"):
        load_backends(["vault"])


def test_a_kind_of_another_backend_is_refused(install: Install) -> None:
    body = """from issuer.requests.issuers import IssuerKind
    from issuer.kube.resources import Resource
    kinds = (IssuerKind("VaultIssuer", Resource("example.test", "v1", "vaultissuers", namespaced=True)),)"""
    install("claims", class_of(body))
    with pytest.raises(
        BackendError, match=r"^VaultIssuer \(.* can't be served together.* Leave one of their backends out"
    ):
        load_backends(["example"])


def test_one_backend_named_twice_is_refused(install: Install) -> None:
    install("outside", class_of("pass"))
    with pytest.raises(BackendError, match="two backends of the name 'example'"):
        load_backends(["example", "example"])


def test_a_name_that_nothing_offers_tells_what_is_there(install: Install) -> None:
    with pytest.raises(
        BackendError, match=r"--backends nope: no installed distribution .* none is installed"
    ):
        load_backends(["nope"])
    install("outside", class_of("pass"))
    with pytest.raises(BackendError, match="there are example"):
        load_backends(["nope"])


def test_a_backend_that_calls_itself_otherwise_is_refused(install: Install) -> None:
    install("outside", class_of("name = 'another'"))
    with pytest.raises(BackendError, match="outside:Made calls itself 'another'"):
        load_backends(["example"])


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("", "AttributeError"),
        ("def Made():\n    raise RuntimeError('no licence')", "RuntimeError: no licence"),
        ("Made = 5", "TypeError"),
        ("Made = object", "AttributeError"),
    ],
    ids=["import", "attribute", "call", "not callable", "no backend"],
)
def test_a_backend_that_can_not_be_loaded_tells_why(install: Install, code: str, problem: str) -> None:
    install("outside", code)
    with pytest.raises(BackendError, match=rf"--backends example: outside:Made can't be loaded: {problem}"):
        load_backends(["example"])


def test_two_distributions_of_one_name_are_refused(install: Install) -> None:
    install("one", class_of("pass"))
    install("other", class_of("pass"))
    with pytest.raises(BackendError, match=r"several distributions offer it \(one:Made, other:Made\)"):
        load_backends(["example"])


def test_the_built_in_backends_need_no_other(install: Install) -> None:
    install("outside", "raise AssertionError('imported')")
    assert [backend.name for backend in built_in()] == ["vault", "step"]
    both = Backends([*built_in(), ExampleBackend()])
    assert both.server("ExampleIssuer", {"caSecretName": "ca"}) == ""
