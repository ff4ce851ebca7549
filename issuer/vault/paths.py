"""Paths in Vault as users write them: `spec.vault.path`, and mounts of auth methods."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_PATH_CHARS = 512
# Vault's own rule for mounts is "printable"; what would change a URL's meaning is refused on top.
_SEGMENT = re.compile(r"[^\x00-\x20\x7f?#%\\*]+")
_FORMS = (
    "<mount>/sign/<role>, <mount>/sign-verbatim, <mount>/sign-verbatim/<role>, "
    "or <mount>/issuer/<issuer>/ before one of these"
)


class PathError(ValueError):
    """A path that can't be one of Vault's; the message says which forms are allowed."""


@dataclass(frozen=True, slots=True)
class SignPath:
    """A PKI path that signs requests. `mount` may hold slashes; only verbatim paths may have no role.

    Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#sign-certificate and #sign-verbatim
    """

    mount: str
    issuer_ref: str | None
    verbatim: bool
    role: str | None

    @classmethod
    def parse(cls, path: str) -> SignPath:
        """Read `spec.vault.path`; slashes around and doubled ones are dropped. Raises PathError."""
        parts = _segments(path)
        if len(parts) >= 3 and parts[-2] in ("sign", "sign-verbatim"):
            head, verb, role = parts[:-2], parts[-2], parts[-1]
        elif len(parts) >= 2 and parts[-1] == "sign-verbatim":
            head, verb, role = parts[:-1], parts[-1], None
        else:
            raise PathError(f'"{_shown(path)}" is not a PKI path that signs: it must be {_FORMS}')
        issuer_ref = None
        if len(head) >= 3 and head[-2] == "issuer":
            issuer_ref, head = head[-1], head[:-2]
        if head[0] == "v1":
            raise PathError(f'"{_shown(path)}" must not begin with v1/: it must be {_FORMS}')
        return cls("/".join(head), issuer_ref, verb == "sign-verbatim", role)

    @property
    def base(self) -> str:
        """The mount, with the chosen issuer where there is one: what comes before `sign`."""
        return f"{self.mount}/issuer/{self.issuer_ref}" if self.issuer_ref else self.mount

    def __str__(self) -> str:
        verb = "sign-verbatim" if self.verbatim else "sign"
        return f"{self.base}/{verb}/{self.role}" if self.role else f"{self.base}/{verb}"


def auth_mount(path: str) -> str:
    """An auth mount's name under auth/, from `approle`, `auth/approle` or `/v1/auth/approle`. Raises
    PathError."""
    parts = _segments(path)
    if parts[0] == "v1":
        parts = parts[1:]
        if parts[:1] != ["auth"]:
            raise PathError(
                f'"{_shown(path)}" is not an auth mount: it must be /v1/auth/<mount>; a namespace goes into '
                "vault.namespace"
            )
    if parts[0] == "auth" and len(parts) > 1:
        parts = parts[1:]
    return "/".join(parts)


def _segments(path: str) -> list[str]:
    if len(path) > _MAX_PATH_CHARS:
        raise PathError(f"A Vault path must not be longer than {_MAX_PATH_CHARS} characters")
    parts = [part for part in path.strip().split("/") if part]
    if not parts:
        raise PathError(f"The Vault path is empty: it must be {_FORMS}")
    for part in parts:
        if part in (".", "..") or not _SEGMENT.fullmatch(part):
            raise PathError(f'"{_shown(path)}" holds a part that can\'t be in a Vault path: "{_shown(part)}"')
    return parts


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:120])
