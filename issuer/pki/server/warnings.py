"""Warnings in Vault's answers. Each stops an apply unless it is expected: Vault warns where others refuse.

An untuned mount, for one, cuts a root of ten years to 32 days with a warning alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final


@dataclass(frozen=True, slots=True)
class Expected:
    """Words of a warning that may come from paths that match `path` (`*` stands for anything)."""

    path: str
    contains: str


ALWAYS: Final = (
    # What `maxPathLength: 0` in the file asks for.
    Expected("*/sign-intermediate", "Max path length of the signed certificate is zero"),
    Expected("*/root/generate/*", "Max path length of the generated certificate is zero"),
)


class WarningFilter:
    """Tells expected warnings from others."""

    def __init__(self, expected: Iterable[Expected] = ()) -> None:
        self._expected = (*ALWAYS, *expected)

    def unexpected(self, path: str, warnings: object) -> tuple[str, ...]:
        """Return the warnings of an answer that nobody expects, on one line each."""
        if not isinstance(warnings, list):
            return ()
        texts = (re.sub(r"\s+", " ", str(one)).strip() for one in warnings)
        return tuple(text for text in texts if not any(_fits(one, path, text) for one in self._expected))


def _fits(expected: Expected, path: str, warning: str) -> bool:
    return expected.contains in warning and fnmatchcase(path, expected.path)
