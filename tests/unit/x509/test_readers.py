"""Names as Go, Node, Java and OpenSSL read them, recorded: they are still approved, and still read so here.

`make test-readers` asks that software itself.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from tests.readers.corpus import contents_of
from tests.readers.readers import READERS, ours
from tests.readers.record import RECORDED


@cache
def recorded() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(RECORDED.read_text(encoding="utf-8"))
    return found


def test_recorded_names_are_approved_and_read_as_they_were() -> None:
    for one in recorded()["certificates"]:
        contents = contents_of(one["names"])
        assert contents.defects == ()
        assert ours(contents) == one["read"]


def test_the_corpus_has_every_kind_of_name_and_reader() -> None:
    assert set(recorded()["versions"]) == set(READERS)
    for kind in ("dns", "mail", "uri", "ip", "cn", "o"):
        texts = {text for one in recorded()["certificates"] for text in one["names"].get(kind, ())}
        assert len(texts) >= 100, kind
