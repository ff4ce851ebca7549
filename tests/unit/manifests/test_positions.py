"""Values of own files as they were written: what goes into a certificate is read as nothing else."""

from __future__ import annotations

import pytest

from issuer.manifests.documents import read_documents
from issuer.manifests.errors import BadInput
from issuer.manifests.positions import read_mapping


@pytest.mark.parametrize(
    "written",
    ["NO", "on", "y", "01234", "0x1F", "1_000", "1:30", "1.10", "1e3", ".inf", "2026-01-01", "truex"],
)
def test_what_only_yaml_1_1_takes_for_something_else_is_text(written: str) -> None:
    assert read_mapping("f", f"country: [{written}]\n".encode()).data == {"country": [written]}


def test_plain_numbers_truths_and_nothing_are_themselves() -> None:
    data = read_mapping("f", b"a: [12, -5, 0, true, False, null, ~, '12', '']\n").data
    assert data == {"a": [12, -5, 0, True, False, None, None, "12", ""]}


@pytest.mark.parametrize("text", ["a: !!binary aGVsbG8=", "a: !!set {b, c}", "a: !!float .nan"])
def test_values_that_json_has_not_are_refused_with_their_line(text: str) -> None:
    with pytest.raises(BadInput, match="f: line 2, column 4: a value of this type"):
        read_mapping("f", f"\n{text}\n".encode())


MERGED = b"kind: A\nweb: &web {ttl: 1h, max_ttl: 2h}\nmail:\n  <<: *web\n  ttl: 3h\n"


def test_merged_keys_count_where_a_mapping_has_none_of_its_own() -> None:
    mail = {"ttl": "3h", "max_ttl": "2h"}
    assert read_mapping("f", MERGED).data["mail"] == mail
    assert read_documents("f", MERGED)[0].data["mail"] == mail


def test_a_key_given_twice_beside_a_merge_is_refused() -> None:
    with pytest.raises(BadInput, match="'ttl' is given twice"):
        read_mapping("f", MERGED + b"  ttl: 4h\n")
