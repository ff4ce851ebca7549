"""The ceremony file: what is done with an offline root, reviewed before the day.

Options of the commands make the same models, so that both are checked alike.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from cryptography import x509
from cryptography.x509.oid import NameOID
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    model_validator,
)

from issuer.duration import parse_duration
from issuer.manifests.checked import validated
from issuer.manifests.documents import STDIN, read_source
from issuer.manifests.positions import FilePlaces, read_mapping
from issuer.root.certificates.constraints import NameBounds
from issuer.root.certificates.crls import LARGEST_CRL_NUMBER, RevocationCause
from issuer.root.certificates.keys import KeyKind
from issuer.root.certificates.lint import url_problem
from issuer.root.certificates.model import RootModel

YEAR: Final = 365 * 86_400
"""Seconds of a year in lifetimes: 365 days, whatever the calendar says."""
LONGEST_LIFETIME: Final = 100 * YEAR
"""Seconds; more is a slip of the finger, and dates end with the year 9999."""
_UNITS: Final = {"y": YEAR, "d": 86_400}
_LONG: Final = re.compile(r"(\d{1,5})([yd])")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_SERIAL: Final = re.compile(r"[0-9a-f]{1,64}")


def lifetime_seconds(value: object) -> int:
    """Return a lifetime in seconds from "10y", "90d" or "720h". Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("is no lifetime; write for example 10y, 90d or 720h")
    found = _LONG.fullmatch(value.strip())
    if found is not None:
        seconds = int(found[1]) * _UNITS[found[2]]
    else:
        seconds = int(parse_duration(value.strip()).total_seconds())
    if seconds <= 0:
        raise ValueError("must be longer than 0")
    if seconds > LONGEST_LIFETIME:
        raise ValueError(f"must be at most {LONGEST_LIFETIME // YEAR}y")
    return seconds


def fingerprint_hex(value: object) -> str:
    """Return a SHA-256 that people wrote, in groups or with colons, as 64 hex digits. Raises ValueError."""
    text = re.sub(r"[\s:-]", "", value).lower() if isinstance(value, str) else ""
    if _HEX.fullmatch(text) is None:
        raise ValueError("is no SHA-256; give its 64 hex digits, with or without blanks")
    return text


def _serial(value: object) -> str:
    text = re.sub(r"[\s:]", "", value).lower().removeprefix("0x") if isinstance(value, str) else ""
    if _SERIAL.fullmatch(text) is None:
        raise ValueError("is no serial number; give it in hex, in quotes")
    return f"{int(text, 16):x}"


def _url(value: str) -> str:
    problem = url_problem(value)
    if problem is not None:
        raise ValueError(problem)
    return value


Lifetime = Annotated[int, BeforeValidator(lifetime_seconds)]
Sha256 = Annotated[str, BeforeValidator(fingerprint_hex)]
Url = Annotated[str, AfterValidator(_url)]


def _attribute(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise ValueError("holds control characters, or blanks around it")
    return value


Attribute = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_attribute)]


class CeremonyPart(RootModel):
    """Base of the file's models: camelCase keys, unknown ones refused, never changed."""


class RootSubject(CeremonyPart):
    """Subject of a root."""

    common_name: Attribute
    organization: tuple[Attribute, ...] = ()
    ou: tuple[Attribute, ...] = ()
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] | None = None

    def name(self) -> x509.Name:
        """Return it as a distinguished name."""
        values = [
            *([(NameOID.COUNTRY_NAME, self.country)] if self.country else []),
            *((NameOID.ORGANIZATION_NAME, one) for one in self.organization),
            *((NameOID.ORGANIZATIONAL_UNIT_NAME, one) for one in self.ou),
            (NameOID.COMMON_NAME, self.common_name),
        ]
        return x509.Name([x509.NameAttribute(oid, text) for oid, text in values])


class RootWish(CeremonyPart):
    """A new root. `crl_urls` and `issuer_urls` are written into the CAs that it signs."""

    subject: RootSubject | None = None
    key: KeyKind = KeyKind.EC_P384
    lifetime: Lifetime = 20 * YEAR
    max_path_length: int | None = Field(2, ge=1, le=10)  # an intermediate, below it or a cross-signed root
    name_constraints: NameBounds = NameBounds()
    passphrases: Literal[1, 2] = 1
    crl_urls: tuple[Url, ...] = Field((), alias="crlURLs")
    issuer_urls: tuple[Url, ...] = Field((), alias="issuerURLs")
    crl_lifetime: Lifetime = Field(YEAR, alias="crlLifetime")
    config_map: Annotated[str, StringConstraints(pattern="^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] = (
        "offline-root"
    )


class SignWish(CeremonyPart):
    """A CSR to be signed, and the file for its certificate; URLs are the root's unless given."""

    request: str
    certificate: str | None = None
    spki_sha256: Sha256 | None = Field(None, alias="spkiSHA256")
    lifetime: Lifetime = 5 * YEAR
    max_path_length: int = Field(0, ge=0, le=10)
    name_constraints: NameBounds = NameBounds()
    crl_urls: tuple[Url, ...] | None = Field(None, alias="crlURLs")
    issuer_urls: tuple[Url, ...] | None = Field(None, alias="issuerURLs")
    ignored_extensions: tuple[str, ...] = ()
    renew: bool = False


class RevokeWish(CeremonyPart):
    """A CA to be revoked, by its serial number in hex."""

    serial: Annotated[str, BeforeValidator(_serial)]
    reason: RevocationCause = RevocationCause.UNSPECIFIED


class CRLWish(CeremonyPart):
    """The next CRL. Without `lifetime` it is that of the root's settings."""

    lifetime: Lifetime | None = None
    number: int | None = Field(None, ge=1, le=LARGEST_CRL_NUMBER)
    revoke: tuple[RevokeWish, ...] = ()


class CeremonyFile(CeremonyPart):
    """A ceremony, as its file tells it."""

    version: Literal[1]
    root: RootWish | None = None
    sign: tuple[SignWish, ...] = ()
    crl: CRLWish | None = None

    @model_validator(mode="after")
    def _one_wish_a_request(self) -> Self:
        requests = [one.request for one in self.sign]
        if len(set(requests)) != len(requests):
            raise ValueError("sign names a request twice")
        return self


def read_ceremony(path: str) -> CeremonyFile:
    """Read a ceremony file. Raises BadInput with every problem, its line and its place."""
    source, content = read_source(path)
    read = read_mapping(source, content)
    return validated(CeremonyFile, read.data, FilePlaces(source, read.lines).of)


_Wish = TypeVar("_Wish", bound=CeremonyPart)


def checked_wish(model: type[_Wish], values: dict[str, Any]) -> _Wish:
    """Return a wish made from options, by its own names. Raises BadInput."""
    return validated(model, values, lambda _: "options")


def overlaid(base: _Wish | None, options: _Wish) -> _Wish:
    """Return a wish of the file with what options set over it."""
    if base is None:
        return options
    return base.model_copy(update={name: getattr(options, name) for name in options.model_fields_set})


def read_sign_wishes(path: str) -> list[SignWish]:
    """Return the CSRs of a ceremony file, their paths and those of certificates relative to it.

    Raises BadInput.
    """
    folder = Path() if path == STDIN else Path(path).parent
    return [
        one.model_copy(
            update={
                "request": str(folder / one.request),
                "certificate": None if one.certificate is None else str(folder / one.certificate),
            }
        )
        for one in read_ceremony(path).sign
    ]
