"""Folder with the manifests to apply and the way back. A later run adds to it and loses nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from issuer.kube.wire import Object
from issuer.manifests.documents import read_documents
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.migrate.output.manifests import CLUSTER, CREATE, MADE, NAMES, UNDO, joined, parts
from issuer.migrate.plan import Plan
from issuer.whole_files import write_whole

_OTHER: Final = "it belongs to the way back of what it was made for; name another --output-dir"
_BREAK: Final = re.compile(r"^---[ \t]*\r?\n", re.MULTILINE)
_Key = tuple[str, str, str, str]


class Entry(NamedTuple):
    """Object in a file, and its text with the comments."""

    data: Object
    text: str


Content = dict[_Key, Entry]


@dataclass(frozen=True, slots=True)
class Written:
    """Texts to write, by file; and files of which a copy is kept first, since their objects differ."""

    texts: Mapping[str, str]
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Folder:
    """Folder that can be written to, with the files of an earlier run."""

    path: Path
    held: Mapping[str, Content] = field(default_factory=dict, repr=False)
    servers: frozenset[str] = frozenset()

    def new(self, plan: Plan, server: str = "") -> Written:
        """Return the files of a plan alone. Raises BadInput if it has any and the folder is not empty."""
        made = {
            name: joined(name, (text for _, text in one), server) for name, one in parts(plan).items() if one
        }
        if made and self.held:
            raise BadInput(
                f"{self.path / next(iter(self.held))} is there already, and may hold the way back: name "
                "another --output-dir (--apply goes on in this one)"
            )
        return Written(made)

    def check_cluster(self, server: str) -> None:
        """Raise BadInput if the folder was made for another cluster, or from files."""
        for other in sorted(self.servers - {shown(server)}):
            raise BadInput(f"{self.path} was made from {other or 'files'}, not from {server}: {_OTHER}")

    def more(self, plan: Plan, server: str) -> Written:
        """Return the files there with what this plan adds; an object in both is written as it is now."""
        texts, kept = {}, []
        for name, new in parts(plan).items():
            held = self.held.get(name, {})
            made = {_key(data): Entry(data, text) for data, text in new}
            if not made:
                continue
            merged = _merged(name, held, made)
            if any(merged[key].data != entry.data for key, entry in held.items()):
                kept.append(name)
            texts[name] = joined(name, (entry.text for entry in merged.values()), server)
        return Written(texts, tuple(kept))

    def write(self, written: Written) -> tuple[Path, ...]:
        """Write the files, none ever by half; return the paths written or kept. Raises BadInput."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            copies = [self._keep(name) for name in written.kept]
            for name, text in written.texts.items():
                write_whole(self.path / name, text)
        except OSError as error:
            raise BadInput(f"{self.path} can't be written: {error.strerror}") from error
        return (*copies, *(self.path / name for name in written.texts))

    def _keep(self, name: str) -> Path:
        """Keep a copy under a name that `kubectl -f FOLDER` skips."""
        number = next(n for n in range(1, 10_000) if not (self.path / f"{name}.{n}").exists())
        copy = self.path / f"{name}.{number}"
        copy.write_bytes((self.path / name).read_bytes())
        return copy


def open_folder(path: Path) -> Folder:
    """Open a folder, which need not exist yet. Raises BadInput if it can't be used."""
    _check_writable(path)
    held, servers = {}, set()
    for name in NAMES:
        text = _read(path / name)
        if text is not None:
            servers.add(_server(text))
            held[name] = {_key(entry.data): entry for entry in _entries(path / name, text)}
    return Folder(path, held, frozenset(servers))


def _merged(name: str, held: Content, made: Content) -> Content:
    if name == CREATE:
        return {**held, **made}
    # The way back goes from the last change to the first.
    merged = {**made, **{key: entry for key, entry in held.items() if key not in made}}
    if name == UNDO:
        # A role may hold by now what an earlier run has added; all else was never changed if it changes now.
        merged |= {key: held[key] for key in held if key[1].endswith("Role")}
    return merged


def _check_writable(path: Path) -> None:
    nearest = next(one for one in (path, *path.absolute().parents) if one.exists())
    if not nearest.is_dir():
        raise BadInput(f"{nearest} is no folder: name another --output-dir")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BadInput(f"{nearest} can't be written: name another --output-dir")


def _read(file: Path) -> str | None:
    if not file.exists():
        return None
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file} can't be read, and may hold the way back: name another --output-dir"
        ) from error
    if not text.startswith(f"# {MADE}"):
        raise BadInput(f"{file} was not made by vault-issuer migrate: name another --output-dir")
    return text


def _server(text: str) -> str:
    """Return the cluster that a file names in its first lines; '' for none."""
    head = _BREAK.split(text, 1)[0]
    found = re.search(rf"^# {CLUSTER}(.*)$", head, re.MULTILINE)
    return found.group(1).strip() if found else ""


def _entries(file: Path, text: str) -> Iterator[Entry]:
    for part in _BREAK.split(text):
        found = read_documents(str(file), part.encode())
        if len(found) > 1 or any(not one.kind or not one.name for one in found):
            raise BadInput(
                f"{file} holds something else than single objects, and may hold the way back: {_OTHER}"
            )
        if found:
            yield Entry(found[0].data, part if part.endswith("\n") else f"{part}\n")


def _key(data: Object) -> _Key:
    metadata = data["metadata"]
    group, slash, _ = str(data.get("apiVersion", "")).rpartition("/")
    return group if slash else "", str(data["kind"]), str(metadata.get("namespace", "")), metadata["name"]
