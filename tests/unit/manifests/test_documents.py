"""Files as they are found in GitOps repositories, and the ones that would mislead."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.manifests import documents
from issuer.manifests.documents import read_documents, read_tree
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown


def test_lists_and_several_documents_are_taken_apart_and_named() -> None:
    text = b"kind: A\n---\n---\nkind: List\nitems:\n- {kind: B}\n- {kind: C}\n"
    found = read_documents("f.yaml", text)
    assert [(one.kind, one.source) for one in found] == [
        ("A", "f.yaml, document 1"),
        ("B", "f.yaml, document 3, item 1"),
        ("C", "f.yaml, document 3, item 2"),
    ]


def test_dates_stay_text_as_in_kubernetes() -> None:
    assert read_documents("f", b"kind: A\nvalue: 2026-01-01\n")[0].data["value"] == "2026-01-01"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"kind: A\nspec: {a: 1, a: 2}\n", "line 2.*'a' is given twice"),
        (b"kind: {{ .Values.kind }}\n", "not valid YAML: line 1"),
        (b"- kind: A\n", "no Kubernetes object|not a Kubernetes object"),
        (b"\xff\xfe\xff", "not valid YAML"),
        (b"[" * 600, "not valid YAML: .* nested too deeply$"),
        (b"-----BEGIN CERTIFICATE REQUEST-----\n", "is PEM"),
        (
            b"!!python/object/apply:os.system ['true']",
            "not valid YAML: .*: a value of this type",
        ),
        (b"kind: A\nname: caf\xe9\n", "^f.yaml:2 is no text in UTF-8"),
        (b"kind: A\n\tname: b\n", "line 2, column 1: a tab stands here"),
        (b"kind: [A\n", "line 2, column 1: .*the end of the file$"),
        (b"? [A]\n: b\n", "line 1, column 3: a list or mapping stands where a name"),
    ],
)
def test_what_is_not_plain_yaml_is_refused_with_its_place(content: bytes, told: str) -> None:
    with pytest.raises(BadInput, match=told):
        read_documents("f.yaml", content)


def test_folders_are_read_in_order_without_hidden_copies(tmp_path: Path) -> None:
    for name in ("b.yaml", "a/x.yml", "c.json", "notes.txt", "..data/b.yaml", ".git/q.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f'{{"kind": "{name}"}}')
    assert [one.kind for one in read_tree([str(tmp_path)])] == ["a/x.yml", "b.yaml", "c.json"]


def test_a_folder_without_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="holds no"):
        read_tree([str(tmp_path)])


def test_large_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MAX_FILE", 10)
    (tmp_path / "f.yaml").write_text("kind: LongerThanThat\n")
    with pytest.raises(BadInput, match="larger than"):
        read_tree([str(tmp_path / "f.yaml")])


def test_shown_text_is_one_bounded_line() -> None:
    assert shown("a\n\u001b[1m\u202e") == "a\\n\\x1b[1m\\u202e"
    assert shown("x" * 50, 10) == "x" * 9 + "…"
