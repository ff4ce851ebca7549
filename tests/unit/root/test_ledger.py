"""The ledger: any change in it is seen, and where; what it can't show itself, the head and the files do."""

from __future__ import annotations

import json

import pytest

from issuer.root.record.chain import ChainFault, LedgerDamaged
from issuer.root.record.ledger import read_ledger
from tests.unit.root.support import Place


def lines(place: Place) -> list[bytes]:
    return place.ledger.read_bytes().splitlines(keepends=True)


def test_a_change_of_any_byte_is_seen(root: Place) -> None:
    content = root.ledger.read_bytes()
    read_ledger(content)
    for position in range(0, len(content), 97):
        changed = bytearray(content)
        changed[position] ^= 0x01
        with pytest.raises(LedgerDamaged):
            read_ledger(bytes(changed))


def test_a_cut_at_any_byte_that_is_no_line_end_is_seen(root: Place) -> None:
    content = root.ledger.read_bytes()
    for position in range(1, len(content), 89):
        if content[position - 1 : position] == b"\n":
            continue
        with pytest.raises(LedgerDamaged) as damaged:
            read_ledger(content[:position])
        assert damaged.value.fault is ChainFault.CUT
        assert damaged.value.line == content[:position].count(b"\n") + 1


@pytest.mark.parametrize(
    ("order", "fault", "line"),
    [
        ([1, 2], ChainFault.ORDER, 1),
        ([0, 2], ChainFault.ORDER, 2),
        ([0, 2, 1], ChainFault.ORDER, 2),
        ([0, 0, 1, 2], ChainFault.ORDER, 2),
    ],
)
def test_lines_taken_out_or_moved_are_seen(
    root: Place, order: list[int], fault: ChainFault, line: int
) -> None:
    before = lines(root)
    with pytest.raises(LedgerDamaged) as damaged:
        read_ledger(b"".join(before[at] for at in order))
    assert (damaged.value.fault, damaged.value.line) == (fault, line)


def test_a_chain_written_anew_without_the_key_is_seen(root: Place) -> None:
    first, second, _ = lines(root)
    fields = json.loads(second)
    fields["data"]["subject"] = "CN=Other"
    forged = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode() + b"\n"
    with pytest.raises(LedgerDamaged) as damaged:
        read_ledger(first + forged)
    assert (damaged.value.fault, damaged.value.line) == (ChainFault.SIGNATURE, 2)


def test_entries_of_another_root_are_no_continuation(
    root: Place, tmp_path_factory: pytest.TempPathFactory
) -> None:
    _, second, _ = lines(root)
    root.path = tmp_path_factory.mktemp("other")
    root.__post_init__()
    root.init()
    with pytest.raises(LedgerDamaged) as damaged:
        read_ledger(lines(root)[0] + second)
    assert damaged.value.fault is ChainFault.HASH


def test_another_spelling_of_the_same_json_is_no_line(root: Place) -> None:
    first, *_ = lines(root)
    with pytest.raises(LedgerDamaged):
        read_ledger(json.dumps(json.loads(first)).encode() + b"\n")


def test_entries_cut_off_whole_are_shown_by_the_files(root: Place) -> None:
    first, second, _ = lines(root)
    root.ledger.write_bytes(first + second)
    assert ("LedgerBehind", "public/root.crl") in root.findings()
    root.ledger.write_bytes(first)
    found = {code for code, _ in root.findings()}
    assert "LedgerBehind" in found
    done = root.unlocked("crl")
    assert done.exit_code == 1
    assert "Bring its newest copy" in done.stderr
    assert root.ledger.read_bytes() == first


def test_a_folder_put_back_as_a_whole_is_shown_by_the_head(root: Place) -> None:
    head = root.json("inspect")["head"]
    assert root.run("verify", "--head", head).exit_code == 0
    assert root.run("verify", "--head", head[:24]).exit_code == 0
    first, second, _ = lines(root)
    root.ledger.write_bytes(first + second)
    for file in (root.root / "public").iterdir():
        file.unlink()
    assert root.findings(code=3) == {
        *(("FileMissing", f"public/{name}") for name in ("root.crt", "root.pem", "configmap.yaml")),
        ("CRLNone", "public/root.crl"),
    }
    assert ("LedgerHead", "ledger.jsonl") in root.findings("--head", head)
    assert ("LedgerHead", "ledger.jsonl") in root.findings("--head", "2:0123456789abcdef")
    assert root.json("verify", "--head", "2:0123456789abcdef", code=1)["head"] is None


@pytest.mark.parametrize("head", ["nonsense", "2", "2:", "2:0123", ":0123456789abcdef", "2:no hex, no hash"])
def test_a_head_that_is_none_is_bad_input(root: Place, head: str) -> None:
    done = root.run("verify", "--head", head)
    assert done.exit_code == 2
    assert "--head is no head" in done.stderr
