"""Files of a set in `agent.yaml`: names, kinds, modes and owners."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from issuer.agent.files.contents import FILE_NAME, KEY_FORMS, FileKind, KeyEncoding, StoreProfile
from issuer.agent.files.owners import MAX_ID
from issuer.manifests.checked import StrictModel, TextLike

_MODE: Final = re.compile(r"0?[0-7]{3}")

FileName = Annotated[
    str,
    TextLike(FILE_NAME, "must be a file's name alone, without a folder, and not begin with a dot"),
]
KeptName = Annotated[
    str,
    TextLike(
        r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$",
        "must be up to 63 lower-case letters, digits, dots and hyphens, such as web-1",
    ),
]
"""The name of a set or a consumer; files of the state folder have it."""


def _mode(value: Any) -> int:
    if not isinstance(value, str) or _MODE.fullmatch(value) is None:
        raise ValueError('must be an octal mode in quotes, such as "0640"')
    found = int(value, 8)
    if found & 0o111:
        raise ValueError("must not make the file executable")
    return found


Mode = Annotated[int, BeforeValidator(_mode, json_schema_input_type=str)]


def _absolute(value: Any) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or ".." in Path(value).parts:
        raise ValueError('must be an absolute path without ".."')
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("holds characters that a path can't have")
    return Path(value)


AbsolutePath = Annotated[Path, BeforeValidator(_absolute, json_schema_input_type=str)]

SECRET_MODE: Final = 0o600
PUBLIC_MODE: Final = 0o644


def _owner(value: str) -> str:
    if not value.isprintable() or value.strip() != value or not value:
        raise ValueError("must be a name or a number")
    if value.isdecimal() and int(value[:11]) > MAX_ID:
        raise ValueError(f"is no number of a user or a group: they end with {MAX_ID}")
    return value


OwnerName = Annotated[str, AfterValidator(_owner)]


class _Written(StrictModel):
    """A file's kind, mode and owner."""

    kind: FileKind
    mode: Mode | None = None
    owner: OwnerName | None = Field(
        default=None,
        description="User's name or number, or container:USER:UID[:GID]: as USER's rootless container sees "
        "it.",
    )
    group: OwnerName | None = None
    keep_id: bool = Field(default=False, description="The container runs with --userns=keep-id.")
    password_file: AbsolutePath | None = Field(
        default=None, description="File with the password of a PKCS#12 file; without it, it has none."
    )
    profile: StoreProfile = Field(
        default=StoreProfile.MODERN,
        description="Algorithms of a PKCS#12 file; LegacyDES for Windows Server 2016, old macOS and Java 8.",
    )
    key_encoding: KeyEncoding = Field(
        default=KeyEncoding.PKCS8,
        description="Form of the key; PKCS1 is that of the algorithm: PKCS #1 for RSA, SEC 1 for ECDSA.",
    )

    @model_validator(mode="after")
    def _of_a_store(self) -> Self:
        for name in ("password_file", "profile"):
            if self.kind is not FileKind.PKCS12 and name in self.model_fields_set:
                field = type(self).model_fields[name].alias or name
                raise ValueError(f"{field} is for files of kind pkcs12: others are not encrypted")
        if self.profile is StoreProfile.LEGACY and self.password_file is None:
            raise ValueError("profile LegacyDES needs passwordFile: without it nothing is encrypted")
        return self

    @model_validator(mode="after")
    def _of_a_key(self) -> Self:
        if self.kind not in KEY_FORMS and "key_encoding" in self.model_fields_set:
            raise ValueError("keyEncoding is for files of kind key, key-der and combined")
        return self

    @property
    def final_mode(self) -> int:
        """Return the file's mode: by default 0600 with a key in it, and 0644 without."""
        if self.mode is not None:
            return self.mode
        return SECRET_MODE if self.kind.is_secret else PUBLIC_MODE


class SetFile(_Written):
    """A file in the set's folder: a symlink that changes together with all others."""

    name: FileName


class CopiedFile(_Written):
    """A file anywhere else, for a reader that can't follow symlinks."""

    path: AbsolutePath


DEFAULT_FILES: Final = (
    SetFile(name="combined.pem", kind=FileKind.COMBINED),
    SetFile(name="tls.key", kind=FileKind.KEY),
    SetFile(name="tls.crt", kind=FileKind.FULL_CHAIN),
    SetFile(name="chain.pem", kind=FileKind.CHAIN),
    SetFile(name="ca.crt", kind=FileKind.CA),
)
"""The files of a set that names none: one combined PEM, and the names that Kubernetes' Secrets use."""
DEFAULT_CA_FILES: Final = (
    SetFile(name="chain.pem", kind=FileKind.CHAIN),
    SetFile(name="ca.crt", kind=FileKind.CA),
)
