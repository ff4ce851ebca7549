"""Brings an authority from what Vault holds of it to a named issuer. Each step can be the last of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from cryptography import x509

from issuer.pki.authorities.attempts import attempt, refused, request_for
from issuer.pki.authorities.bringing import make_imported, make_offline
from issuer.pki.authorities.calls import AuthorityCalls, IssuedCA, SignerCalls
from issuer.pki.authorities.files import AuthorityFiles
from issuer.pki.authorities.identity import AuthorityProgress, CAIdentity
from issuer.pki.authorities.parts import serial_text, spki_sha256
from issuer.pki.errors import OtherAuthority, PkiError
from issuer.pki.file.authority import Authority, Origin
from issuer.pki.server.calls import VaultCalls
from issuer.vault.errors import VaultBadRequest
from issuer.x509.chains.links import signed_by


class AuthorityMaker:
    """Makes the authorities of one file. `authorities` are all of them by name; `now` is a clock."""

    def __init__(
        self,
        calls: VaultCalls,
        authorities: Mapping[str, Authority],
        files: AuthorityFiles,
        now: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._authorities = authorities
        self._files = files
        self._now = now

    async def make(self, name: str) -> None:
        """Make one authority, or go on with it; its signer must be there.

        Raises OtherAuthority, NeedsCertificate, UnexpectedWarning, NotPermitted, VaultNotUsable, PkiError.
        """
        authority = self._authorities[name]
        ours = AuthorityCalls(self._calls, name, authority)
        identity = await ours.identity()
        if identity.progress is AuthorityProgress.DONE:
            return
        if authority.origin in (Origin.ROOT, Origin.SIGNED):
            await ours.hold_pin(identity)
        if authority.origin is Origin.ROOT:
            await self._root(ours, identity)
        elif authority.origin is Origin.SIGNED:
            await self._signed(ours, identity)
        elif authority.origin is Origin.OFFLINE:
            await make_offline(ours, identity, self._files)
        else:
            await make_imported(ours, identity, self._files)

    async def _root(self, ours: AuthorityCalls, identity: CAIdentity) -> None:
        if identity.progress is AuthorityProgress.ABSENT:
            try:
                await ours.generate_root()
            except VaultBadRequest as error:
                identity = await ours.identity()
                if identity.progress is AuthorityProgress.ABSENT:
                    raise refused(ours, error) from error
        if identity.progress is AuthorityProgress.KEY:
            await attempt(ours, ours.root_of_key(identity.key_id))
        elif identity.progress is AuthorityProgress.UNNAMED:
            await attempt(ours, ours.name_issuer(identity.issuer_id))
            return
        if ours.authority.settings:
            await attempt(ours, ours.name_issuer(ours.name))

    async def _signed(self, ours: AuthorityCalls, identity: CAIdentity) -> None:
        signer_name = ours.authority.signed_by or ""
        signer = SignerCalls(self._calls, signer_name, self._authorities[signer_name])
        if identity.progress is AuthorityProgress.UNNAMED:
            await self._settle(ours, signer, await self._own(ours, signer, identity))
            return
        csr, resumed = await request_for(ours, identity)
        before = await signer.signed_already(csr, self._now()) if resumed else []
        if before:
            issued = before[0]
        else:
            issued = await self._sign(ours, signer, csr)
        for extra in before[1:]:
            await signer.revoke(extra.serial)
        await self._install(ours, signer, issued)

    async def _own(self, ours: AuthorityCalls, signer: SignerCalls, identity: CAIdentity) -> CAIdentity:
        """Return an identity whose issuer has a certificate of the signer. Raises OtherAuthority."""
        above = await signer.certificate()
        for one in identity.issuers:
            if signed_by(await ours.certificate_of(one), above):
                return replace(identity, issuer_id=one)
        raise OtherAuthority(
            f"The key of {ours.name} in mount {ours.mount} has a certificate of another CA than "
            f"{signer.name}; give that issuer a name of its own, and {ours.name} a keyName of its own"
        )

    async def _sign(self, ours: AuthorityCalls, signer: SignerCalls, csr: str) -> IssuedCA:
        try:
            issued = await signer.sign(csr, ours.authority)
        except VaultBadRequest as error:
            raise refused(ours, error) from error
        certificate = x509.load_pem_x509_certificate(issued.certificate.encode())
        if spki_sha256(certificate) != spki_sha256(x509.load_pem_x509_csr(csr.encode())):
            raise PkiError(f"{signer.mount} signed another key than that of {ours.name}; it is not used")
        return issued

    async def _install(self, ours: AuthorityCalls, signer: SignerCalls, issued: IssuedCA) -> None:
        """Import the certificate and name its issuer; or revoke it, if another applier was faster."""
        identity = await ours.identity()
        if identity.progress in (AuthorityProgress.UNNAMED, AuthorityProgress.DONE):
            await self._settle(ours, signer, identity, spare=issued.serial)
            return
        pem = [issued.certificate]
        if ours.authority.include_chain:
            pem += issued.chain or await signer.chain()
        mapping = await ours.import_certificates("\n".join(one.strip() for one in pem) + "\n")
        imported = next((issuer for issuer, key in mapping.items() if key == identity.key_id), "")
        if not imported:
            raise PkiError(f"{ours.mount} didn't take the certificate of {ours.name} as its key's; run again")
        await self._name(ours, signer, imported, issued.serial)

    async def _name(self, ours: AuthorityCalls, signer: SignerCalls, issuer_id: str, serial: str) -> None:
        try:
            await ours.name_issuer(issuer_id)
        except VaultBadRequest as error:
            identity = await ours.identity()
            if identity.progress is not AuthorityProgress.DONE:
                raise refused(ours, error) from error
            if identity.issuer_id != issuer_id:
                await ours.delete_issuer(issuer_id, identity.issuer_id)
                await signer.revoke(serial)

    async def _settle(
        self, ours: AuthorityCalls, signer: SignerCalls, identity: CAIdentity, spare: str = ""
    ) -> None:
        """Name the first issuer of the key and take back every other certificate that the signer made for it.

        An issuer of another name keeps its certificate, and so does one that another CA signed.
        """
        kept = await ours.certificate_of(identity.issuer_id)
        if identity.progress is AuthorityProgress.UNNAMED:
            await attempt(ours, ours.name_issuer(identity.issuer_id))
            identity = await ours.identity()
            kept = await ours.certificate_of(identity.issuer_id)
        above = await signer.certificate()
        for extra in identity.issuers:
            if extra != identity.issuer_id and signed_by(await ours.certificate_of(extra), above):
                await ours.delete_issuer(extra, identity.issuer_id)
        used = {serial_text(await ours.certificate_of(one)) for one in identity.others}
        csr = await ours.request_of_key(identity.key_id)
        serials = {one.serial for one in await signer.signed_already(csr, self._now())}
        if spare:
            serials.add(spare)
        for serial in serials - used - {serial_text(kept)}:
            await signer.revoke(serial)
