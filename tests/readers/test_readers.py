"""Names that are approved read the same in Go, Node, Java and OpenSSL, and as we read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.readers.corpus import approved, certificate, contents_of
from tests.readers.readers import READERS, Reading, ask, missing, ours
from tests.readers.record import MADE, SEED

NAMES = list(approved(SEED, MADE))
# What each would read in a name that is refused: so the comparison sees such things.
REFUSED: dict[str, tuple[dict[str, list[str]], Reading]] = {
    "Go": (
        {"uri": ["https://a..b/x"]},
        {"error": ['x509: cannot parse URI "https://a..b/x": invalid domain']},
    ),
    "Node": ({"uri": ["https:///bank.test/.lab.test/"]}, {"uri": [["bank.test", "/.lab.test/"]]}),
    "Java": ({"uri": ["urn:a..b/%zz"]}, {"uri": []}),
    "OpenSSL": ({"dns": ["bank.test, DNS:x.lab.test"]}, {"dns": ["bank.test", "x.lab.test"]}),
}


@pytest.fixture(params=READERS)
def reader(request: pytest.FixtureRequest) -> str:
    """Each reader in turn; one that isn't here is skipped with the reason."""
    name = str(request.param)
    if why := missing(name):
        pytest.skip(why)
    return name


def read(reader: str, pems: list[bytes], folder: Path) -> list[Reading]:
    bundle = folder / "bundle.pem"
    bundle.write_bytes(b"".join(pems))
    return ask(reader, bundle)


@pytest.mark.filterwarnings("ignore:Attribute's length")
def test_every_approved_name_is_read_as_we_read_it(reader: str, tmp_path: Path) -> None:
    found = read(reader, [certificate(names) for names in NAMES], tmp_path)
    wrong = [
        f"{reader} reads {theirs}, we read {mine}"
        for theirs, mine in zip(found, (ours(contents_of(names)) for names in NAMES), strict=True)
        if theirs != mine
    ]
    assert not wrong, "\n".join(wrong[:5])
    assert sum(len(texts) for names in NAMES for texts in names.values()) > MADE


def test_a_refused_name_would_be_seen_to_be_read_differently(reader: str, tmp_path: Path) -> None:
    names, reading = REFUSED[reader]
    (theirs,) = read(reader, [certificate({**names, "cn": ["web"]})], tmp_path)
    assert contents_of(names).defects
    assert {kind: theirs[kind] for kind in reading} == reading
