"""Provisioners as `GET /provisioners` lists them, and the claims that bound what they sign. Pure.

A claim that a provisioner doesn't set is the CA's own (`authority.claims`), which the list does not tell.
Source: step-ca 0.30.2, `authority/provisioner/claims.go`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from issuer.duration import parse_duration
from issuer.step.keys import read_public

JWK = "JWK"
_MOST_TOLD: Final = 10
_MAX_NAME: Final = 200


@dataclass(frozen=True, slots=True)
class Provisioner:
    """One provisioner.

    Attributes:
        name, type: as the CA has them; `type` is `JWK`, `ACME`, `X5C` and others.
        kid: of a JWK's key, empty for other types.
        public: the public half of its key as DER, None if it has none that can be read.
        encrypted_key: the private half as a compact JWE, empty where the CA keeps none.
        shortest, longest, usual: its own bounds of a certificate's life; None where it sets none.
    """

    name: str
    type: str
    kid: str = ""
    public: bytes | None = field(default=None, repr=False)
    encrypted_key: str = field(default="", repr=False)
    shortest: timedelta | None = None
    longest: timedelta | None = None
    usual: timedelta | None = None


@dataclass(frozen=True, slots=True)
class ListedProvisioner:
    """A provisioner that isn't the one looked for, with as much of its texts as a message needs."""

    name: str
    type: str
    kid: str


class ProvisionerSearch:
    """Looks for the JWK provisioner of a name and key id in the pages of a list.

    Attributes:
        found: that provisioner, None as long as it isn't found.
        listed: the first of the others, at most 10.
        same: the first of the others with its name, those of type JWK alone if there are any, at most 10.
    """

    def __init__(self, name: str, kid: str) -> None:
        self._wanted = (name, kid)
        self.found: Provisioner | None = None
        self.listed: list[ListedProvisioner] = []
        self.same: list[ListedProvisioner] = []

    def read(self, page: Any) -> None:
        """Look through one page; what is no provisioner in it is left out."""
        for one in page if isinstance(page, list) else ():
            if isinstance(one, dict) and self.found is None:
                self._look_at(one)

    def _look_at(self, one: dict[str, Any]) -> None:
        key = one.get("key")
        name, kind = _text(one.get("name")), _text(one.get("type"))
        kid = _text(key.get("kid")) if isinstance(key, dict) else ""
        if kind == JWK and (name, kid) == self._wanted:
            self.found = _provisioner(one)
            return
        listed = ListedProvisioner(name[:_MAX_NAME], kind[:_MAX_NAME], kid[:_MAX_NAME])
        if len(self.listed) < _MOST_TOLD:
            self.listed.append(listed)
        if name != self._wanted[0]:
            return
        if kind == JWK and self.same and self.same[0].type != JWK:
            self.same.clear()
        if len(self.same) < _MOST_TOLD and (kind == JWK or not self.same or self.same[0].type != JWK):
            self.same.append(listed)


def _provisioner(found: dict[str, Any]) -> Provisioner:
    key, claims = found.get("key"), found.get("claims")
    key = key if isinstance(key, dict) else {}
    claims = claims if isinstance(claims, dict) else {}
    return Provisioner(
        name=_text(found.get("name")),
        type=_text(found.get("type")),
        kid=_text(key.get("kid")),
        public=read_public(key) if key else None,
        encrypted_key=_text(found.get("encryptedKey")),
        shortest=_life(claims.get("minTLSCertDuration")),
        longest=_life(claims.get("maxTLSCertDuration")),
        usual=_life(claims.get("defaultTLSCertDuration")),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _life(value: object) -> timedelta | None:
    if not isinstance(value, str):
        return None
    try:
        life = parse_duration(value)
    except ValueError:
        return None
    return life if life > timedelta() else None
