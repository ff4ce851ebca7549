"""A document as YAML with comments, for people to read and to edit."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from issuer.manifests.text import shown
from issuer.pki.export.document import Comment, ExportDocument
from issuer.pki.file.place import Path

_WIDTH: Final = 110
_COMMENT_CHARS: Final = 2000
_LIST_CHARS: Final = 80


def yaml_text(document: ExportDocument, data: Mapping[str, Any], head: str) -> str:
    """Return `data`, a part of the document's, with the comments that belong to it below `head`."""
    lines = [*_commented(head, ""), *_comments(document, (), "")]
    for key, value in data.items():
        if isinstance(value, Mapping):
            lines.append("")
        lines += _entry(document, (key,), value, "")
    return "\n".join(lines) + "\n"


def _entry(document: ExportDocument, path: Path, value: Any, indent: str) -> Iterator[str]:
    inside = f"{indent}  "
    if not isinstance(value, Mapping) or (_is_plain(value) and path not in document.comments):
        yield from _dumped({str(path[-1]): value}, indent)
        return
    comments = list(_comments(document, path, inside))
    if not value:
        yield from _dumped({str(path[-1]): {}}, indent)
        yield from comments
        return
    yield from _dumped({str(path[-1]): None}, indent)
    yield from comments
    for key, one in value.items():
        yield from _entry(document, (*path, key), one, inside)


def _is_plain(value: Mapping[str, Any]) -> bool:
    """Return True if no value in it is a map, so that no comment can be inside."""
    return not any(isinstance(one, Mapping) for one in value.values())


def _comments(document: ExportDocument, path: Path, indent: str) -> Iterator[str]:
    for comment in document.comments.get(path, ()):
        yield from _comment(comment, indent)


def _comment(comment: Comment, indent: str) -> Iterator[str]:
    yield from _commented(comment.text, indent)
    if comment.data:
        for line in _dumped(comment.data, ""):
            yield f"{indent}#   {line}".rstrip()


def _commented(text: str, indent: str) -> Iterator[str]:
    for paragraph in text.splitlines():
        lines = textwrap.wrap(
            shown(paragraph, _COMMENT_CHARS),
            _WIDTH - len(indent),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines or [""]:
            yield f"{indent}# {line}".rstrip()


def _dumped(data: Mapping[str, Any], indent: str) -> Iterator[str]:
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=1000, allow_unicode=False)
    for line in text.splitlines():
        yield f"{indent}{line}" if line else ""


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        """Return True: a file for people has no anchors."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent list items below their key."""
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.SequenceNode:
    """Put a list on one line if it is short."""
    texts = [str(one) for one in value if not isinstance(one, (Mapping, list))]
    short = len(texts) == len(value) and sum(map(len, texts)) <= _LIST_CHARS
    flow = short and not any("\n" in one for one in texts)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flow)


def _nothing(dumper: yaml.SafeDumper, _: None) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:null", "")


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)
_Dumper.add_representer(type(None), _nothing)
