"""Names that no file can have: each command says so in a sentence."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app

LONG = "f" * 256


@pytest.mark.parametrize(
    "words",
    [
        ("migrate", "-f", LONG),
        ("pki", "export", "-o", LONG),
        ("pki", "plan", "-f", LONG),
        ("policy", "explain", "-f", LONG),
        ("revoke", LONG),
        ("root", "init", "--dir", LONG),
        ("agent", "check", "-c", LONG),
        ("crl", "show", LONG),
        ("trust", "show", LONG),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_name_that_no_file_can_have_is_a_sentence(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    # A command sets up the loggers of its process, which is other tests' as well.
    monkeypatch.setattr("issuer.telemetry.logs.configure", lambda *_: None)
    ran = CliRunner().invoke(app, words, env={"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "x"})
    assert isinstance(ran.exception, SystemExit), ran.exception
    assert ran.exit_code in {1, 2, 3}
    assert "Error: " in ran.stderr
