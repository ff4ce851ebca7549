"""A damaged folder: nothing is signed or planned from it, and no head of it is shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import pytest

from tests.unit.root.support import Place, spki


def _others_read_the_key(root: Place) -> None:
    (root.root / "root.key").chmod(0o644)


def _another_certificate(root: Place) -> None:
    (root.root / "root.pem").write_bytes((root.path / "env.pem").read_bytes())


def _cut_by_a_line(root: Place) -> None:
    root.ledger.write_bytes(b"".join(root.ledger.read_bytes().splitlines(keepends=True)[:-1]))


def _no_key(root: Place) -> None:
    (root.root / "root.key").unlink()


DAMAGES: Final[dict[Callable[[Place], None], tuple[str, str]]] = {
    _others_read_the_key: ("UnsafeMode", "Mode"),
    _another_certificate: ("Damaged", "FileChanged"),
    _cut_by_a_line: ("Damaged", "LedgerBehind"),
    _no_key: ("Damaged", "KeyMissing"),
}
"""What refuses, and what is found, after each."""


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_a_dry_run_refuses_what_the_act_refuses(root: Place, damage: Callable[[Place], None]) -> None:
    agreed = ("--yes", "--spki-sha256", spki((root.path / "env.csr").read_bytes()))
    damage(root)
    for words in (("sign", "env.csr", *agreed), ("crl", "--yes")):
        for more in ((), ("--dry-run",)):
            assert root.json(*words, *more, code=1)["refused"] == DAMAGES[damage][0]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_inspect_tells_damage_and_shows_no_head(root: Place, damage: Callable[[Place], None]) -> None:
    digest = root.json("inspect")["head"].partition(":")[2]
    damage(root)
    shown = root.json("inspect", code=1)
    assert shown["head"] is None
    assert DAMAGES[damage][1] in {one["code"] for one in shown["findings"] if one["level"] == "damage"}
    assert root.json("verify", code=1)["head"] is None
    for command in ("inspect", "verify"):
        done = root.run(command)
        assert done.exit_code == 1
        assert "damage: " in done.stdout
        assert digest[:16] not in done.stdout
        assert "to be written down" not in done.stdout


def test_a_dry_run_goes_on_where_an_interruption_is_mended(root: Place) -> None:
    (root.root / "public" / "root.crl").unlink()
    assert root.run("crl", "--dry-run").exit_code == 0
    assert not (root.root / "public" / "root.crl").exists()
    assert root.json("inspect")["head"]
