"""Result of one look at Vault, by path; and its SHA-256, by which a saved plan knows it again."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from issuer.pki.errors import PkiError


@dataclass(frozen=True, slots=True)
class PathRead:
    """The answer to one read: `data`, None where there is nothing, or `refused` with Vault's reason."""

    data: Mapping[str, Any] | None = field(default=None, repr=False)
    refused: str | None = None


def data_of(path: str, answer: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return an answer's `data`, None without. Raises PkiError if it isn't an object, or of a list's path (it
    ends with a slash) if `keys` and `key_info` aren't names, and an object for each."""
    data = (answer or {}).get("data")
    if data is None:
        return None
    if not isinstance(data, Mapping):
        raise _other_form(path, "data")
    if path.endswith("/"):
        keys, info = data.get("keys") or [], data.get("key_info") or {}
        if not isinstance(keys, list) or not all(isinstance(one, str) for one in keys):
            raise _other_form(path, "keys")
        if not isinstance(info, Mapping) or not all(isinstance(one, Mapping) for one in info.values()):
            raise _other_form(path, "key_info")
    return data


def _other_form(path: str, name: str) -> PkiError:
    return PkiError(f"The answer to {path} isn't in Vault's form ({name}): is VAULT_ADDR Vault's address?")


@dataclass(frozen=True, slots=True)
class VaultReading:
    """Answers by path; lists have paths that end with a slash."""

    answers: Mapping[str, PathRead] = field(default_factory=dict)

    def data(self, path: str) -> Mapping[str, Any] | None:
        """Return what a path holds; None if it is absent, refused, or was not read."""
        answer = self.answers.get(path)
        return None if answer is None else answer.data

    @property
    def refused(self) -> Mapping[str, str]:
        """Paths that the token may not read, with Vault's reason."""
        return {path: one.refused for path, one in self.answers.items() if one.refused is not None}

    def sha256(self) -> str:
        """Return the SHA-256 of all that was read, in hex."""
        plain = {path: [one.data, one.refused] for path, one in self.answers.items()}
        return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def with_more(self, more: Mapping[str, PathRead]) -> VaultReading:
        """Return this reading with other answers added or replaced."""
        return VaultReading({**self.answers, **more})
