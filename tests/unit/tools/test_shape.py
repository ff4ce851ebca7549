"""The figures of tools/shape.py, of a package that is made for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tools.shape import read, shape


def figures(folder: Path, **files: str) -> dict[str, Any]:
    """The shape of a package; `a__b` names the module `a/b.py`."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return shape(read(folder))


@pytest.mark.parametrize(
    ("module", "text", "counts"),
    [
        ("controller__x", "from issuer.vault.paths import parse", True),
        ("controller__x", "reason = 'VaultSealed'", True),
        ("controller__x", "kind = spec.vault", True),
        ("explain__x", "from issuer.api.group import CLUSTER_ISSUER_KIND", True),
        ("signing__backends", "from issuer.signing.vault.backend import VaultBackend", True),
        ("controller__x", "name = 'vault_issuer_requests_total'; path = '/vault-issuer/status'", False),
        ("controller__x", "def f():\n    'Ask Vault.'", False),
        ("controller__x", "ISSUER_KINDS = ()", False),
        ("signing__vault__signer", "server = 'Vault'", False),
        ("vault__pki", "from issuer.vault.paths import parse", False),
    ],
)
def test_files_that_a_second_backend_would_change(
    module: str, text: str, counts: bool, tmp_path: Path
) -> None:
    found = figures(tmp_path, **{module: text})["files that a second backend would change"]
    assert list(found) == ([f"{module.replace('__', '/')}.py"] if counts else [])


def test_names_docstrings_and_fields_are_counted(tmp_path: Path) -> None:
    found = figures(
        tmp_path,
        one='"""What it is."""\nclass Case: ...\nclass _Own: ...\n',
        other="class Case: ...\nclass _Own: ...\n",
        controller__reconciler="class RequestReconciler:\n    a: int\n    def f(self): self.b = 1\n",
        long="\n" * 401,
    )
    assert found["public classes defined twice or more"] == {"Case": ["one.py", "other.py"]}
    assert (found["docstrings"], found["docstrings that open with a question word"]) == (1, 1)
    assert found["fields"] == {"RequestReconciler": 2}
    assert found["modules over 400 lines"] == {"long.py": 401}
    assert found["folders"]["controller"] == {"modules": 1, "lines": 3}
