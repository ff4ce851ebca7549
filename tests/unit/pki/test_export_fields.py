"""Values of an export: defaults left away, lifetimes as text, and nothing that a variable would replace."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from issuer.pki.export.document import ExportDocument
from issuer.pki.export.fields import lifetime, set_fields
from issuer.pki.export.text import yaml_text
from issuer.pki.file.reading import load_texts


@pytest.mark.parametrize(
    "text", ["${NAME}", "a ${NAME} b", "$${NAME}", "${unclosed", "$NAME", "$$$", "{{identity.entity.name}}"]
)
def test_text_with_a_variable_in_it_comes_back_as_it_was(text: str) -> None:
    document = ExportDocument()
    document.put(("mounts", "pki", "roles", "web"), set_fields({"allowed_domains": [text]}, {}))
    loaded = load_texts([("exported", yaml_text(document, document.data, "Head").encode())], {}, Path())
    assert loaded.file.mounts["pki"].roles["web"] == {"allowed_domains": [text]}


@pytest.mark.parametrize(("seconds", "text"), [(2_592_000, "720h"), (5400, "90m"), (61, "61s")])
def test_a_lifetime_is_written_in_its_largest_unit(seconds: int, text: str) -> None:
    assert lifetime(seconds) == text


def test_defaults_are_left_away_and_what_differs_from_them_is_kept() -> None:
    read = {"ttl": 0, "max_ttl": 3600, "server_flag": False, "unknown": "", "other": "x", "domains": []}
    defaults = {"ttl": "0s", "max_ttl": 0, "server_flag": True}
    assert set_fields(read, defaults) == {"max_ttl": "1h", "server_flag": False, "other": "x"}


def test_what_a_file_refuses_is_a_comment_at_its_place() -> None:
    document = ExportDocument()
    document.put(("mounts", "pki"), {"tune": {"max_lease_ttl": "10h"}})
    roles = {name: {"max_ttl": "1h"} for name in ("a", "b", "c")} | {"long": {"max_ttl": "11h"}}
    assert document.admit(("mounts", "pki", "roles"), roles) == {"long"}
    text = yaml_text(document, document.data, "Head")
    assert set(yaml.safe_load(text)["mounts"]["pki"]["roles"]) == {"a", "b", "c"}
    assert "#   long:\n    #     max_ttl: 11h" in text
    assert len(document.left_out) == 1


def test_a_line_break_in_a_comment_starts_no_key() -> None:
    document = ExportDocument()
    document.put(("mounts", "pki"), {})
    document.comment(("mounts", "pki"), "Subject: CN=a\nevil: true\rmore: true\u2028x: y")
    assert yaml.safe_load(yaml_text(document, document.data, "Head"))["mounts"] == {"pki": {}}
