"""Secrets never reach a log line."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest
import structlog

from issuer.telemetry.journal import writes_to_journal
from issuer.telemetry.logs import configure, redact_event
from issuer.telemetry.redaction import REDACTED, redact

# Assembled at run time, so that no scanner takes these for real ones.
VAULT_TOKEN = "hvs." + "CAESIJ7x" * 6
OLD_TOKEN = "s." + "aB3dE6gH9jK2mN5pQ8rS1tU4"
JWT = "eyJhbGciOiJSUzI1NiIs." + "eyJpc3MiOiJrdWJlcm5ldGVz." + "c2lnbmF0dXJl"
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"


@pytest.mark.parametrize("secret", [VAULT_TOKEN, OLD_TOKEN, JWT, KEY, KEY[:40]])
def test_credentials_inside_text_are_blanked(secret: str) -> None:
    told = redact(f"login failed for {secret} at https://vault.example.test")
    assert secret not in told
    assert REDACTED in told
    assert told.startswith("login failed for ")


@pytest.mark.parametrize(
    "text", ["s.lab.example.test", "certificate 1a:2b:3c issued", "hvs.short", "eyJ is no token"]
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


def test_secret_fields_are_blanked_whatever_they_hold() -> None:
    event = redact_event(None, "info", {"event": "x", "token": "abc", "secret_id": 5, "tokens_left": 3})
    assert event == {"event": "x", "token": REDACTED, "secret_id": REDACTED, "tokens_left": 3}


def test_json_lines_hold_the_event_and_no_secret_even_from_an_exception(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    before = structlog.get_config()
    try:
        configure("json", "info")
        logger = structlog.get_logger("test").bind()
        try:
            raise ValueError(f"bad token {VAULT_TOKEN}")
        except ValueError:
            logger.exception("it failed", request="a/b")
        logger.debug("not shown")
    finally:
        structlog.configure(**before)
    [line] = stream.getvalue().splitlines()
    read = json.loads(line)
    assert read["event"] == "it failed"
    assert read["request"] == "a/b"
    assert "ValueError" in read["exception"]
    assert VAULT_TOKEN not in line


def test_each_line_for_the_journal_has_its_level_and_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    before = structlog.get_config()
    try:
        configure("journal", "info")
        logger = structlog.get_logger("test").bind()
        logger.info("renewed", name="web")
        logger.warning("the renewal failed", token="abc")
        try:
            raise ValueError("odd")
        except ValueError:
            logger.exception("unexpected error")
        logging.getLogger("other").error("told by a library")
    finally:
        structlog.configure(**before)
    renewed, failed, *rest = stream.getvalue().splitlines()
    assert renewed.startswith("<6>[info ")
    assert "name=web" in renewed
    assert failed.startswith("<4>[warning ")
    assert "abc" not in failed
    assert len(rest) > 3
    assert all(line.startswith("<3>") for line in rest)


def test_journal_is_written_to_only_by_what_is_connected_to_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "log").open("w") as file:
        monkeypatch.setattr(sys, "stderr", file)
        found = (tmp_path / "log").stat()
        stream = f"{found.st_dev}:{found.st_ino}"
        assert writes_to_journal({"JOURNAL_STREAM": stream})
        assert not writes_to_journal({"JOURNAL_STREAM": f"{stream}1"})  # led elsewhere: 2> FILE
        assert not writes_to_journal({})
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert not writes_to_journal({"JOURNAL_STREAM": stream})
