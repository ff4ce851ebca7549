"""A machine locked out or removed: roles, secret IDs, tokens and certificates.

The policy is emptied first, as tokens have what their policies allow at the moment of each call, and it goes
last, as it holds what belongs to the machine: an interrupted removal is gone on with by the next run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509

from issuer.enrolment.giving import destroy_secret_ids, secret_id_accessors
from issuer.enrolment.host import HostRecord, policy_text
from issuer.pki.errors import PkiError
from issuer.pki.server.calls import VaultCalls
from issuer.text import rfc3339
from issuer.vault.errors import VaultBadRequest


@dataclass(frozen=True, slots=True)
class HostCertificate:
    """A certificate of the machine's names that is good still."""

    serial: str
    names: tuple[str, ...]
    not_after: datetime


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
        for one in self.certificates:
            names = ", ".join(one.names)
            found.append(f"revoke  certificate {one.serial} ({names}), good until {rfc3339(one.not_after)}")
        return [*found, *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "host": self.record.host,
            "secretIds": self.secret_ids,
            "tokens": None if self.tokens is None else len(self.tokens),
            "certificates": [
                {"serial": one.serial, "names": list(one.names), "notAfter": rfc3339(one.not_after)}
                for one in self.certificates
            ],
            "notes": list(self.notes),
        }


async def record_of(calls: VaultCalls, host: HostRecord) -> HostRecord:
    """Return what is noted of an enrolled machine; only `host`'s name is looked at. Raises PkiError."""
    read = await calls.read(host.policy_path)
    if read.refused is not None:
        raise PkiError(f"The token may not read {host.policy_path}: {read.refused}")
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
            "Note: this token may not list tokens (auth/token/accessors), so the machine's are not revoked; "
            "without their policy they may do nothing, and without their role they end within their period"
        )
    secret_ids = await secret_id_accessors(calls, record)
    found = await _certificates(calls, record) if certificates else ()
    return HostRemoval(record, len(secret_ids), tokens, tuple(found), tuple(notes))


async def lock(calls: VaultCalls, plan: HostRemoval) -> None:
    """Take from a machine all that it could do, at once: policy, secret IDs, certificate login, tokens."""
    record = plan.record
    await calls.write(record.policy_path, {"policy": policy_text(replace(record, locked=True))})
    await destroy_secret_ids(calls, record)
    if record.cert_path:
        await calls.delete(record.cert_path)
    for accessor in plan.tokens or ():
        await _revoke_token(calls, accessor)


async def remove(calls: VaultCalls, plan: HostRemoval, told: Callable[[str], None]) -> None:
    """Lock a machine out, revoke its certificates, and remove its roles and its policy. Raises PkiError."""
    record = plan.record
    await lock(calls, plan)
    told(f"{record.host} is locked out: {plan.secret_ids} secret ID(s) and its tokens are gone")
    for one in plan.certificates:
        await calls.write(f"{record.mount}/revoke", {"serial_number": one.serial})
        told(f"revoked certificate {one.serial}")
    await calls.delete(record.app_role_path)
    await calls.delete(record.role_path)
    left = await left_over(calls, record)
    if left:
        raise PkiError(f"Of {record.host} there is still: {', '.join(left)}. Run the same again")
    await calls.delete(record.policy_path)


async def left_over(calls: VaultCalls, record: HostRecord) -> list[str]:
    """Return what could still log in as the machine, read back."""
    paths = [one for one in (record.app_role_path, record.cert_path, record.role_path) if one]
    reads = await calls.read_all(paths)
    found = [path for path, read in reads.items() if read.data is not None]
    tokens = await _tokens(calls, record)
    return [*found, *(f"{len(tokens)} token(s)" for _ in tokens[:1])] if tokens else found


async def _tokens(calls: VaultCalls, record: HostRecord) -> tuple[str, ...] | None:
    """Return the accessors of the machine's tokens; None if tokens may not be listed."""
    listed = await calls.read("auth/token/accessors/")
    if listed.refused is not None:
        return None
    accessors = [str(one) for one in (listed.data or {}).get("keys", [])]
    found = []
    for accessor in accessors:
        try:
            data = await calls.write("auth/token/lookup-accessor", {"accessor": accessor})
        except (PkiError, VaultBadRequest):  # ended meanwhile
            continue
        if _is_of(data, record):
            found.append(accessor)
    return tuple(found)


def _is_of(token: Mapping[str, Any], record: HostRecord) -> bool:
    logins = (f"auth/{record.app_role_mount}/login", f"auth/{record.cert_mount}/login")
    return token.get("path") in logins and record.name in (token.get("policies") or ())


async def _revoke_token(calls: VaultCalls, accessor: str) -> None:
    try:
        await calls.write("auth/token/revoke-accessor", {"accessor": accessor})
    except VaultBadRequest:  # ended meanwhile
        return


async def _certificates(calls: VaultCalls, record: HostRecord) -> Sequence[HostCertificate]:
    """Return the good certificates of the mount that have names of the machine and no others."""
    listed = await calls.read(f"{record.mount}/certs/")
    if listed.refused is not None:
        raise PkiError(f"The token may not list {record.mount}/certs: {listed.refused}")
    serials = [str(one) for one in (listed.data or {}).get("keys", [])]
    reads = await calls.read_all([f"{record.mount}/cert/{one}" for one in serials])
    own = {*record.dns_names, *record.ip_addresses}
    found = []
    for serial in serials:
        data = reads[f"{record.mount}/cert/{serial}"].data or {}
        if data.get("revocation_time"):
            continue
        try:
            certificate = x509.load_pem_x509_certificate(str(data.get("certificate", "")).encode())
            names = _names(certificate)
        except ValueError:
            continue
        if names and set(names) <= own and certificate.not_valid_after_utc > datetime.now(UTC):
            found.append(HostCertificate(serial, names, certificate.not_valid_after_utc))
    return found


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(one.value) for one in extension.value)
