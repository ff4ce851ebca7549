"""Provisioners as `GET /provisioners` lists them, and the claims that bound what they sign. Pure.

A claim that a provisioner doesn't set is the CA's own (`authority.claims`), which the list does not tell.
Source: step-ca 0.30.2, `authority/provisioner/claims.go`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from issuer.duration import parse_duration
from issuer.step.keys import read_public

JWK = "JWK"


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


def read_provisioners(found: Any) -> tuple[Provisioner, ...]:
    """Read the list of an answer; what is no provisioner in it is left out."""
    if not isinstance(found, list):
        return ()
    return tuple(_provisioner(one) for one in found if isinstance(one, dict))


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


def chosen(provisioners: Iterable[Provisioner], name: str, kid: str) -> Provisioner | None:
    """Return the JWK provisioner of that name and key id, None if there is none."""
    return next((one for one in provisioners if one.type == JWK and (one.name, one.kid) == (name, kid)), None)


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
