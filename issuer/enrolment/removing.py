"""A machine locked out or removed: roles, secret IDs, tokens and certificates.

The policy is emptied first, as tokens have what their policies allow at the moment of each call, and it goes
last, as it holds what belongs to the machine: an interrupted removal is gone on with by the next run.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from issuer.enrolment.giving import destroy_secret_ids, secret_id_accessors
from issuer.enrolment.host import HostRecord, policy_text
from issuer.pki.errors import NotPermitted, PathNotFound, PkiError
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.tokens import refusal_of
from issuer.text import rfc3339
from issuer.vault.errors import VaultBadRequest
from issuer.x509.errors import LIBRARY_ERRORS

_TOKENS: Final = "its tokens (auth/token/accessors, auth/token/lookup-accessor)"


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """A good certificate of the machine. `others` are those of its names that aren't the machine's."""

    serial: str
    names: tuple[str, ...]
    not_after: datetime
    others: tuple[str, ...] = ()

    def line(self) -> str:
        """Return its line of the plan."""
        return f"revoke  certificate {self.serial} ({self.named}), good until {rfc3339(self.not_after)}"

    @property
    def named(self) -> str:
        """Return its names in one text."""
        return ", ".join(self.names) or "no name"


@dataclass(frozen=True, slots=True)
class HostRemoval:
    """Things there are of a machine. `tokens` is None if the administrator's token may not list tokens."""

    record: HostRecord
    secret_ids: int
    tokens: tuple[str, ...] | None
    certificates: tuple[HostCertificate, ...] = ()
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Return the plan as people read it."""
        record = self.record
        found = [f"empty   policy {record.policy_path}", f"destroy {self.secret_ids} secret ID(s)"]
        if self.tokens is not None:
            found.append(f"revoke  {len(self.tokens)} token(s)")
        found += [one.line() for one in self.certificates if not one.others]
        shared = [one for one in self.certificates if one.others]
        if shared:
            found.append("These have names that are not this machine's, too:")
            found += [f"{one.line()}; not its: {', '.join(one.others)}" for one in shared]
        return [*found, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "host": self.record.host,
            "secretIds": self.secret_ids,
            "tokens": None if self.tokens is None else len(self.tokens),
            "certificates": [
                {
                    "serial": one.serial,
                    "names": list(one.names),
                    "otherNames": list(one.others),
                    "notAfter": rfc3339(one.not_after),
                }
                for one in self.certificates
            ],
            "notes": list(self.notes),
        }


async def record_of(calls: VaultCalls, host: HostRecord) -> HostRecord:
    """Return what is noted of an enrolled machine; only `host`'s name is looked at. Raises PkiError."""
    read = await calls.read(host.policy_path)
    if read.refused is not None:
        raise await refusal_of(calls, host.policy_path, read.refused, "that takes an administrator's token")
    found = None if read.data is None else HostRecord.of_policy(str(read.data.get("policy", "")))
    if found is None:
        raise PkiError(f'"{host.host}" is not enrolled; vault-issuer enroll list shows the machines that are')
    return found


async def plan_removal(calls: VaultCalls, record: HostRecord, *, certificates: bool) -> HostRemoval:
    """Look for all that a machine has. `certificates` is for a removal: a lock leaves them."""
    notes = []
    tokens = await _tokens(calls, record)
    if tokens is None:
        notes.append(
            "Note: this token may not list tokens (auth/token/accessors) or look at them "
            "(auth/token/lookup-accessor), so the machine's are not revoked; "
            "without their policy they may do nothing, and without their role they end within their period"
        )
    secret_ids = await secret_id_accessors(calls, record)
    found, unread = await _certificates(calls, record) if certificates else ((), ())
    notes += [f"Note: {one} can't be read here, so its names were not looked at" for one in unread]
    return HostRemoval(record, len(secret_ids), tokens, tuple(found), tuple(notes))


async def lock(calls: VaultCalls, plan: HostRemoval) -> tuple[str, ...]:
    """Take from a machine all that it could do, at once: policy, secret IDs, certificate login, tokens.

    Returns what could not be read back. Tokens are listed anew: the machine may have logged in since `plan`.
    """
    record = plan.record
    await calls.write(record.policy_path, {"policy": policy_text(replace(record, locked=True))})
    await destroy_secret_ids(calls, record)
    if record.cert_path:
        await calls.delete(record.cert_path)
    tokens = await _tokens(calls, record)
    for accessor in tokens or ():
        await _revoke_token(calls, accessor)
    return (_TOKENS,) if tokens is None else ()


async def remove(calls: VaultCalls, plan: HostRemoval, told: Callable[[str], None]) -> tuple[str, ...]:
    """Lock a machine out, revoke its certificates, and remove its roles and its policy. Raises PkiError.

    Returns what could not be read back. Certificates, too, are listed anew.
    """
    record = plan.record
    unseen = await lock(calls, plan)
    told(f"{record.host} is locked out: its secret IDs {'' if unseen else 'and tokens '}are gone")
    certificates, unread = await _certificates(calls, record)
    for one in certificates:
        await calls.write(f"{record.mount}/revoke", {"serial_number": one.serial})
        told(f"revoked certificate {one.serial} ({one.named})")
    await calls.delete(record.app_role_path)
    await calls.delete(record.role_path)
    left, unseen = await left_over(calls, record)
    if left:
        raise PkiError(f"Of {record.host} there is still: {', '.join(left)}. Run the same again")
    await calls.delete(record.policy_path)
    return (*unseen, *unread)


async def left_over(calls: VaultCalls, record: HostRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what could still log in as the machine, read back, and what could not be read back."""
    paths = [one for one in (record.app_role_path, record.cert_path, record.role_path) if one]
    reads = await calls.read_all(paths)
    left = [path for path, read in reads.items() if read.data is not None]
    unread = [path for path, read in reads.items() if read.refused is not None]
    tokens = await _tokens(calls, record)
    if tokens is None:
        unread.append(_TOKENS)
    elif tokens:
        left.append(f"{len(tokens)} token(s)")
    return tuple(left), tuple(unread)


async def _tokens(calls: VaultCalls, record: HostRecord) -> tuple[str, ...] | None:
    """Return the accessors of the machine's tokens; None if tokens may not be listed or looked at."""
    listed = await calls.read("auth/token/accessors/")
    if listed.refused is not None:
        return None
    accessors = [str(one) for one in (listed.data or {}).get("keys", [])]
    found = []
    for accessor in accessors:
        try:
            data = await calls.write("auth/token/lookup-accessor", {"accessor": accessor})
        except (VaultBadRequest, PathNotFound):  # ended meanwhile
            continue
        except NotPermitted:
            return None
        if _is_of(data, record):
            found.append(accessor)
    return tuple(found)


def _is_of(token: Mapping[str, Any], record: HostRecord) -> bool:
    logins = (f"auth/{record.app_role_mount}/login", f"auth/{record.cert_mount}/login")
    return token.get("path") in logins and record.name in (token.get("policies") or ())


async def _revoke_token(calls: VaultCalls, accessor: str) -> None:
    try:
        await calls.write("auth/token/revoke-accessor", {"accessor": accessor})
    except (VaultBadRequest, PathNotFound):  # ended meanwhile
        return


async def _certificates(
    calls: VaultCalls, record: HostRecord
) -> tuple[tuple[HostCertificate, ...], tuple[str, ...]]:
    """Return the good certificates of the mount that are the machine's, and unreadable ones.

    Its are those that its role signed, and those with any of its names.
    """
    listed = await calls.read(f"{record.mount}/certs/")
    if listed.refused is not None:
        raise PkiError(f"The token may not list {record.mount}/certs: {listed.refused}")
    serials = [str(one) for one in (listed.data or {}).get("keys", [])]
    reads = await calls.read_all([f"{record.mount}/cert/{one}" for one in serials])
    own = {_folded(one) for one in (*record.dns_names, *record.ip_addresses)}
    found, unread = [], []
    for serial in serials:
        data = reads[f"{record.mount}/cert/{serial}"].data
        if data is None or data.get("revocation_time"):  # tidied away, or revoked
            continue
        try:
            certificate = x509.load_pem_x509_certificate(str(data.get("certificate", "")).encode())
            names = _names(certificate)
        except LIBRARY_ERRORS:
            unread.append(f"certificate {serial}")
            continue
        others = tuple(one for one in names if _folded(one) not in own)
        is_own = len(others) < len(names) or record.unit in _units(certificate)
        if is_own and certificate.not_valid_after_utc > datetime.now(UTC):
            found.append(HostCertificate(serial, names, certificate.not_valid_after_utc, others))
    return tuple(found), tuple(unread)


def _units(certificate: x509.Certificate) -> tuple[str, ...]:
    found = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return tuple(str(one.value) for one in found)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return a certificate's common names and alternative names, each once."""
    found = [str(one.value) for one in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    with suppress(x509.ExtensionNotFound):
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        found += [str(one.value) for one in extension.value]
    return tuple(dict.fromkeys(found))


def _folded(name: str) -> str:
    """Return a name so that two that mean the same are equal."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name.casefold()
