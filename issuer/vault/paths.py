"""Paths in Vault as users write them: `spec.vault.path`, and mounts of auth methods."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from issuer.text import masked

_MAX_PATH_CHARS = 512
_SHOWN = 120
# Vault's own rule for mounts is "printable"; what would change a URL's meaning is refused on top.
_SEGMENT = re.compile(r"[^\x00-\x20\x7f?#%\\*]+")
_FORMS = (
    "<mount>/sign/<role>, <mount>/sign-verbatim, <mount>/sign-verbatim/<role>, "
    "or <mount>/issuer/<issuer>/ before one of these"
)
_AUTHORITY_FORMS = "<mount>/root/sign-intermediate or <mount>/issuer/<issuer>/sign-intermediate"


class PathError(ValueError):
    """A path that can't be one of Vault's; the message says which forms are allowed."""


class Mode(StrEnum):
    """The modes of signing paths; their values are the words in paths.

    SIGN holds a CSR against a role; VERBATIM signs what the CSR says; INTERMEDIATE makes a CA of it.
    """

    SIGN = "sign"
    VERBATIM = "sign-verbatim"
    INTERMEDIATE = "sign-intermediate"


@dataclass(frozen=True, slots=True)
class SignPath:
    """A PKI path that signs requests. `mount` may hold slashes; only paths of mode SIGN must have a role.

    Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#sign-certificate, #sign-verbatim and
    #sign-intermediate
    """

    mount: str
    issuer_ref: str | None
    mode: Mode
    role: str | None

    @classmethod
    @lru_cache(maxsize=1024)  # each request asks how its issuer's path signs
    def parse(cls, path: str) -> SignPath:
        """Read `spec.vault.path`; slashes around and doubled ones are dropped. Raises PathError."""
        parts = _segments(path)
        if parts[-1] == Mode.INTERMEDIATE:
            raise PathError(
                f'"{_shown(path)}" signs CA certificates, so it belongs into spec.certificateAuthority.path; '
                f"vault.path must be {_FORMS}"
            )
        if len(parts) >= 3 and parts[-2] in (Mode.SIGN, Mode.VERBATIM):
            head, mode, role = parts[:-2], Mode(parts[-2]), parts[-1]
        elif len(parts) >= 2 and parts[-1] == Mode.VERBATIM:
            head, mode, role = parts[:-1], Mode.VERBATIM, None
        else:
            raise PathError(f'"{_shown(path)}" is not a PKI path that signs: it must be {_FORMS}')
        return cls(*_mount_and_issuer(head, path, _FORMS), mode, role)

    @classmethod
    def parse_authority(cls, path: str) -> SignPath:
        """Read `spec.certificateAuthority.path`. Raises PathError."""
        parts = _segments(path)
        head = parts[:-1]
        if parts[-1] == Mode.INTERMEDIATE and len(head) >= 2 and head[-1] == "root":
            return cls(*_mount_and_issuer(head[:-1], path, _AUTHORITY_FORMS), Mode.INTERMEDIATE, None)
        if parts[-1] == Mode.INTERMEDIATE and len(head) >= 3 and head[-2] == "issuer":
            return cls(*_mount_and_issuer(head, path, _AUTHORITY_FORMS), Mode.INTERMEDIATE, None)
        raise PathError(f'"{_shown(path)}" does not sign CA certificates: it must be {_AUTHORITY_FORMS}')

    @property
    def base(self) -> str:
        """The mount, with the chosen issuer if there is one: the path before `sign`."""
        return f"{self.mount}/issuer/{self.issuer_ref}" if self.issuer_ref else self.mount

    @property
    def field(self) -> str:
        """The field of an issuer's spec that holds it."""
        return "certificateAuthority.path" if self.mode is Mode.INTERMEDIATE else "vault.path"

    def __str__(self) -> str:
        if self.mode is Mode.INTERMEDIATE and self.issuer_ref is None:
            return f"{self.mount}/root/{self.mode}"
        return f"{self.base}/{self.mode}/{self.role}" if self.role else f"{self.base}/{self.mode}"


def _mount_and_issuer(head: list[str], path: str, forms: str) -> tuple[str, str | None]:
    issuer_ref = None
    if len(head) >= 3 and head[-2] == "issuer":
        issuer_ref, head = head[-1], head[:-2]
    if head[0] == "v1":
        raise PathError(f'"{_shown(path)}" must not begin with v1/: it must be {forms}')
    return "/".join(head), issuer_ref


def auth_mount(path: str) -> str:
    """Return an auth mount's name under auth/, from `approle`, `auth/approle` or `/v1/auth/approle`. Raises
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
        if part in (".", "..") or not _SEGMENT.fullmatch(part) or not part.isprintable():
            raise PathError(f'"{_shown(path)}" holds a part that can\'t be in a Vault path: "{_shown(part)}"')
    return parts


def _shown(text: str) -> str:
    return masked(text[:_SHOWN], _SHOWN)
