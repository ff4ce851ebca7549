"""The exported file as data, with comments by path; it takes in only what the file's own checks allow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from issuer.manifests.errors import BadInput
from issuer.pki.file.place import Path, Place, Places
from issuer.pki.file.reading import checked

_LEFT_OUT: Final = Places({(): Place("Left out:", 0)})


@dataclass(frozen=True, slots=True)
class Comment:
    """Text, and data that stands below it as a comment, too."""

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ExportDocument:
    """Data, comments, what was left out, and the variables that stand for what can't be read.

    A comment stands below the key of its path, or at the top for the empty path. `variables` are names with
    what each holds.
    """

    data: dict[str, Any] = field(default_factory=lambda: {"version": 1})
    comments: dict[Path, list[Comment]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    def put(self, path: Path, value: Any) -> None:
        """Set a value, and make the maps around it."""
        self._around(path)[str(path[-1])] = value

    def remove(self, path: Path) -> None:
        """Take a value out again, and maps that held nothing else."""
        around = self._around(path)
        around.pop(str(path[-1]), None)
        if not around and len(path) > 1 and path[:-1] not in self.comments:
            self.remove(path[:-1])

    def comment(self, path: Path, text: str, data: Mapping[str, Any] | None = None) -> None:
        """Add a comment below the key of `path`, which becomes a map if it isn't there."""
        if path:
            self._around(path).setdefault(str(path[-1]), {})
        self.comments.setdefault(path, []).append(Comment(text, data or {}))

    def leave_out(self, path: Path, why: str, data: Mapping[str, Any] | None = None) -> None:
        """Tell at `path` what is not in the file and why; `data` goes with it as a comment."""
        self.left_out.append(why)
        self.comment(path, why, data)

    def try_put(self, path: Path, value: Any) -> str:
        """Set a value unless a file may not have it; return why not, or ""."""
        self.put(path, value)
        problem = self._problem()
        if problem:
            self.remove(path)
        return problem

    def admit(self, folder: Path, entries: Mapping[str, Any]) -> set[str]:
        """Put entries into a map, but those that a file may not have; return the names of these.

        They are told above the map. Entries are tried in halves: mostly all are fine.
        """
        for name, value in entries.items():
            self.put((*folder, name), value)
        if not entries or not self._problem():
            return set()
        for name in entries:
            self.remove((*folder, name))
        listed = list(entries.items())
        if len(listed) > 1:
            half = len(listed) // 2
            return self.admit(folder, dict(listed[:half])) | self.admit(folder, dict(listed[half:]))
        (name, value) = listed[0]
        self.leave_out(folder[:-1], self.try_put((*folder, name), value), {name: value})
        return {name}

    def _problem(self) -> str:
        try:
            checked(self.data, _LEFT_OUT)
        except BadInput as error:
            return str(error).splitlines()[0]
        return ""

    def _around(self, path: Path) -> dict[str, Any]:
        at = self.data
        for key in path[:-1]:
            at = at.setdefault(str(key), {})
        return at
