"""A kill at each write: `verify` says what is left, the next command mends it, nothing is signed twice."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.unit.root.support import Place, process

KILLED: Final = """
import os, signal, sys
from datetime import datetime
left = int(sys.argv[1])
def watch(event, arguments):
    global left
    if event == "os.rename" or (event == "open" and str(arguments[0]).endswith(".part")):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
from issuer.cli.root import commands as root
from issuer.cli.main import app
from issuer.root.certificates import keys
keys.SCRYPT_N = 16
root._now = lambda: datetime.fromisoformat(sys.argv[2])
sys.addaudithook(watch)
app(["root", *sys.argv[3:], "--passphrase-file", "passphrase"])
"""


class Kill(BaseException):
    """The end of a command that has no time to clean up: nothing in `issuer.root` catches it."""


OPEN: Final = os.open


def killed(place: Place, step: int, *words: str) -> bool:
    """Run a command that ends before its write number `step`; False once it has no so many writes."""
    left = [step]

    def ending(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *more: Any, **options: Any) -> Any:
            if call is not OPEN or str(path).endswith(".part"):
                left[0] -= 1
                if left[0] < 0:
                    raise Kill
            return call(path, *more, **options)

        return counted

    with pytest.MonkeyPatch.context() as patched:
        for name in ("open", "rename", "replace"):
            patched.setattr(os, name, ending(getattr(os, name)))
        try:
            done = place.unlocked(*words)
        except Kill:
            return True
    assert done.exit_code == 0, done.output
    return False


def killed_by_a_signal(place: Place, step: int, *words: str) -> None:
    """Run a command as a process that a signal ends before its write number `step`."""
    done = process(KILLED, str(step), place.now.isoformat(), *words, cwd=place.path)
    assert done.returncode == -signal.SIGKILL, done.stderr


def explained(place: Place) -> None:
    """Assert that `verify` finds nothing, or what the next command mends."""
    found = json.loads(place.run("verify", "-o", "json").stdout)
    assert {one["level"] for one in found["findings"]} <= {"mendable", "notice"}, found


def test_init_comes_whole_or_not_at_all(place: Place) -> None:
    step = 0
    while killed(place, step, "init", "--common-name", "Root"):
        if not place.root.exists():
            answer = place.json("verify", code=1)
            assert (answer["refused"], "run it again" in answer["message"]) == ("NoRoot", True)
        step += 1
    assert step >= 12
    assert place.run("verify").exit_code == 0
    assert [one.name for one in place.path.iterdir() if one.name.endswith(".part")] == []


def test_a_signature_is_kept_or_never_was(root: Place) -> None:
    digest = root.csr("other.csr", name="Other CA")
    step, words = 0, ["sign", "other.csr", "--yes", "--spki-sha256", digest]
    ledger = root.ledger.read_bytes()
    while killed(root, step, *words):
        explained(root)
        signed = root.ledger.read_bytes() != ledger
        again = root.json(*words)["signed"][0]
        assert again["existing"] is signed
        assert len(root.json("inspect")["signed"]) == 2
        assert root.run("verify").exit_code == 0
        for path in (root.path / "other.pem", root.root / f"issued/{again['serial']}.pem"):
            path.unlink()
        root.ledger.write_bytes(ledger)
        step += 1
    assert step >= 6


def test_a_crl_is_made_or_never_was(root: Place) -> None:
    step = 0
    while killed(root, step, "crl"):
        explained(root)
        before = root.json("inspect")["crl"]["number"]
        assert root.json("crl")["number"] == before + 1
        assert root.run("verify").exit_code == 0
        step += 1
    assert step >= 8


def test_a_real_kill_leaves_the_same(root: Place) -> None:
    killed_by_a_signal(root, 3, "crl")
    explained(root)
    before = root.json("inspect")["crl"]["number"]
    assert root.json("crl")["number"] == before + 1
    assert root.run("verify").exit_code == 0
