"""How a mount makes its CRLs, and whether a serial number is on the one that it serves now."""

from __future__ import annotations

from cryptography import x509

from issuer.inventory.certificate import KnownCertificate
from issuer.pki.authorities.parts import UNDECODABLE
from issuer.pki.errors import PkiError
from issuer.pki.file.durations import seconds
from issuer.pki.lists.described import revoked_entry
from issuer.pki.server.calls import VaultCalls
from issuer.revoking.plan import ListSettings


async def settings_of(calls: VaultCalls, mount: str) -> ListSettings:
    """Return how a mount makes its CRLs; Vault's own way where that may not be read. Raises PkiError."""
    data = (await calls.read(f"{mount}/config/crl")).data
    if data is None:
        return ListSettings()
    try:
        return ListSettings(
            bool(data.get("disable")),
            bool(data.get("auto_rebuild")),
            seconds(data.get("expiry") or "72h"),
            seconds(data.get("auto_rebuild_grace_period") or "12h"),
            seconds(data.get("delta_rebuild_interval") or "15m") if data.get("enable_delta") else None,
        )
    except ValueError as error:
        raise PkiError(f"{mount}/config/crl can't be read: {error}") from error


async def is_listed(calls: VaultCalls, row: KnownCertificate) -> bool | None:
    """Return True if a CRL of a certificate's CA, whole or delta, has its serial number; None if none can be
    read, or its CA isn't one of its mount's. Everybody may read CRLs. Raises VaultNotUsable, PkiError."""
    if not row.issuer.startswith(f"{row.mount}/"):
        return None
    issuer = row.issuer.removeprefix(f"{row.mount}/")
    number, answers = int(row.serial.replace(":", ""), 16), []
    for path in ("crl", "crl/delta"):
        text = str(((await calls.read(f"{row.mount}/issuer/{issuer}/{path}")).data or {}).get("crl") or "")
        if not text:
            continue
        try:
            found = x509.load_pem_x509_crl(text.encode())
            answers.append(revoked_entry(found, number) is not None)
        except UNDECODABLE:
            continue
    return any(answers) if answers else None
