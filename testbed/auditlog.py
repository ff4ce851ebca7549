"""The log of OpenBao's file audit device, read on from where the last look ended."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any


class AuditLog:
    """A log with one JSON object for each request and each answer.

    Many look often, and the log grows long: a line is read once for each choice of `entries`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: dict[tuple[str, str | None], tuple[int, list[dict[str, Any]]]] = {}

    def entries(self, kind: str, path: str | None = None) -> list[dict[str, Any]]:
        """Entries so far of a `kind` (`request` or `response`), of one path such as `pki_int/sign/lab` or of
        all; failed ones carry `error`."""
        position, known = self._read.get((kind, path), (0, []))
        found = list(known)  # threads that look at once read the same lines, each into a list of its own
        marks = [f'"type":"{kind}"'.encode()]
        if path is not None:
            marks.append(f'"path":"{path}"'.encode())
        with self._path.open("rb") as file:
            file.seek(position)
            for line in itertools.takewhile(lambda one: one.endswith(b"\n"), file):
                position += len(line)
                if all(mark in line for mark in marks):
                    entry = json.loads(line)
                    if entry["type"] == kind and path in (None, entry["request"].get("path")):
                        found.append(entry)
        self._read[kind, path] = position, found
        return list(found)
