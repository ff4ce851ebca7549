"""Issuers of exported mounts as authorities: what made each of them, as far as its certificate tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography import x509

from issuer.pki.authorities.described import fields_of
from issuer.pki.authorities.parts import read_ca, spki_sha256
from issuer.pki.export.fields import set_fields
from issuer.pki.resources import defaults
from issuer.pki.server.reading import VaultReading
from issuer.x509.chains.links import signed_by

_READ_ONLY: Final = frozenset(
    {
        "ca_chain", "certificate", "issuer_id", "issuer_name", "key_id", "revoked", "revocation_time",
        "revocation_time_rfc3339",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class FoundIssuer:
    """One issuer of a mount. `name` is what the file calls it: its name, or its id if it has none."""

    mount: str
    issuer_id: str
    name: str
    key_id: str
    key_name: str
    certificate: x509.Certificate
    settings: Mapping[str, Any]
    is_default: bool = False
    why_existing: str = ""

    @property
    def self_signed(self) -> bool:
        """True of a root."""
        return signed_by(self.certificate, self.certificate)


def found_issuers(reading: VaultReading, mounts: list[str]) -> list[FoundIssuer]:
    """Return the issuers of all mounts that a file describes, the default one of each mount first.

    A certificate without key and name is left out: it was imported for its chain.
    """
    found: list[FoundIssuer] = []
    for mount in mounts:
        of_mount = [one for one in _of_mount(reading, mount) if one.key_id or one.name != one.issuer_id]
        of_mount.sort(key=lambda one: (not one.is_default, one.name))
        found += _told_apart(of_mount, _key_names(reading, mount))
    taken: set[str] = set()
    unique = []
    for one in found:  # two mounts may have issuers of one name, but names in the file are unique
        named = one
        if one.name in taken:
            why = f"its name {one.name} is that of an authority in another mount, so it is named by its id"
            named = replace(one, name=one.issuer_id, why_existing=why)
        taken.add(named.name)
        unique.append(named)
    return unique


def _of_mount(reading: VaultReading, mount: str) -> Iterator[FoundIssuer]:
    listed = (reading.data(f"{mount}/issuers/") or {}).get("key_info") or {}
    keys = (reading.data(f"{mount}/keys/") or {}).get("key_info") or {}
    default = (reading.data(f"{mount}/config/issuers") or {}).get("default")
    for identifier, info in listed.items():
        read = reading.data(f"{mount}/issuer/{identifier}")
        if read is None:
            continue
        key_id = str(info.get("key_id") or "")
        yield FoundIssuer(
            mount=mount,
            issuer_id=identifier,
            name=info.get("issuer_name") or identifier,
            key_id=key_id,
            key_name=str((keys.get(key_id) or {}).get("key_name") or ""),
            certificate=read_ca(read, f"{mount}/issuer/{identifier}"),
            settings=set_fields(read, defaults.ISSUER, _READ_ONLY),
            is_default=identifier == default,
        )


def _key_names(reading: VaultReading, mount: str) -> set[str]:
    keys = (reading.data(f"{mount}/keys/") or {}).get("key_info") or {}
    return {str(info.get("key_name")) for info in keys.values() if info.get("key_name")}


def _told_apart(issuers: list[FoundIssuer], key_names: set[str]) -> Iterator[FoundIssuer]:
    """Yield the issuers of one mount, with the reason for each that a file can't tell how to make."""
    keys: dict[str, str] = {}
    for one in issuers:
        first = keys.setdefault(one.key_id, one.name)
        why = ""
        if one.name == one.issuer_id:
            why = (
                "it has no name. Give it one, and export again: "
                f"bao patch {one.mount}/issuer/{one.issuer_id} issuer_name=NAME"
            )
        elif not one.key_id:
            why = "its key is not in this mount"
        elif first != one.name:
            why = f"its key is that of {first}: another certificate for it, such as a cross-signed one"
        elif not one.key_name and one.name in key_names:
            why = "its key has no name, and another key has the name that the file would give it"
        yield replace(one, why_existing=why)


def existing(issuer: FoundIssuer) -> dict[str, Any]:
    """Return an authority that is compared with what is there, and never made."""
    found = {"mount": issuer.mount, "existing": True, "spkiSHA256": spki_sha256(issuer.certificate)}
    return _with_settings(found, issuer)


def described(issuer: FoundIssuer, issuers: list[FoundIssuer]) -> dict[str, Any]:
    """Return an authority with all that its certificate tells of how it was made.

    Raises ValueError, with the reason, for a certificate that a file can't describe.
    """
    certificate = issuer.certificate
    found: dict[str, Any] = {"mount": issuer.mount}
    if issuer.key_name and issuer.key_name != issuer.name:
        found["keyName"] = issuer.key_name
    if not issuer.self_signed:
        above = signer_of(issuer, issuers)
        if above is not None:
            found["signedBy"] = above.name
        else:
            found["offline"] = {"request": f"{issuer.name}.csr", "certificate": f"{issuer.name}.pem"}
    return _with_settings({**found, **fields_of(certificate)}, issuer)


def signer_of(issuer: FoundIssuer, issuers: list[FoundIssuer]) -> FoundIssuer | None:
    """Return the exported CA that signed this one, one that a file can make before others."""
    above = [
        one
        for one in issuers
        if one.key_id
        and one.certificate != issuer.certificate
        and signed_by(issuer.certificate, one.certificate)
    ]
    return min(above, key=lambda one: (bool(one.why_existing), one.name)) if above else None


def depth(issuer: FoundIssuer, issuers: list[FoundIssuer]) -> int:
    """Return the number of exported CAs above one; cross-signed ones may form a circle, which is cut."""
    above, seen = signer_of(issuer, issuers), {issuer.issuer_id}
    while above is not None and not above.self_signed and above.issuer_id not in seen:
        seen.add(above.issuer_id)
        above = signer_of(above, issuers)
    return len(seen) if above is not None else len(seen) - 1


def _with_settings(found: dict[str, Any], issuer: FoundIssuer) -> dict[str, Any]:
    return {**found, "settings": dict(issuer.settings)} if issuer.settings else found
