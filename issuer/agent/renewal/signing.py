"""The call that signs, the answer's verification, and a revocation of what can't be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import structlog
from cryptography import x509

from issuer.agent.config.model import CertificateSpec
from issuer.agent.errors import AgentError
from issuer.agent.files.contents import CertificateSet
from issuer.agent.renewal.keys import UnusableKey, key_of_pem, key_pem, request_pem
from issuer.vault.errors import Unreachable, VaultBadRequest, VaultError, VaultForbidden, VaultNotFound
from issuer.vault.paths import SignPath
from issuer.vault.pki import Pki, Signed
from issuer.vault.session import VaultSession
from issuer.vault.transport import VaultClient
from issuer.x509.certificates import Certificate, decoded
from issuer.x509.chains.bundle import read_bundle, read_leaf
from issuer.x509.chains.chain import Chain, build_chain
from issuer.x509.errors import ChainError, InvalidCertificate
from issuer.x509.request import read_request
from issuer.x509.verification.findings import FindingCode
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify

log = structlog.get_logger(__name__)

_USAGES: Final = frozenset({"server auth", "client auth", "digital signature", "key encipherment"})
_HEALTH: Final = "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
# The role decides these, and the agent has its own rule for renewals.
_ROLES_OWN: Final = frozenset(
    {
        FindingCode.SUBJECT_ADDED,
        FindingCode.USAGE_ADDED,
        FindingCode.USAGE_BEYOND_POLICY,
        FindingCode.USAGE_DROPPED,
        FindingCode.USAGE_NOT_ASKED,
        FindingCode.TOO_SHORT_TO_RENEW,
    }
)


class UnusableAnswer(AgentError):
    """A certificate came back that isn't what was asked for, or can't be read."""


@dataclass(frozen=True, slots=True)
class FreshCertificate:
    """A verified answer: the certificate with its key and CAs, and what differs without harm."""

    made: CertificateSet
    serial: str
    remarks: tuple[str, ...]


async def server_time(client: VaultClient) -> datetime | None:
    """Return the server's time, in whole seconds; None if it tells none. Raises VaultError."""
    adapter = client.adapter()
    await adapter.get(_HEALTH)
    return adapter.answered_at


class CertificateCalls:
    """The calls about one certificate's path."""

    def __init__(self, session: VaultSession, path: SignPath, *, issues: bool = False) -> None:
        self.issues = issues
        """Vault makes the keys here."""
        self._session = session
        self._pki = Pki(session.client, path)

    async def sign(self, spec: CertificateSpec, key_der: bytes, now: datetime) -> FreshCertificate:
        """Sign once, and verify the answer at `now`, the server's time; it is read again before a refusal.

        `key_der` is not used where Vault makes the key.

        What can't be used is revoked. Raises VaultError, or UnusableAnswer.
        """
        csr = request_pem(spec, key_der)
        sent = _parameters(spec)

        async def call(token: str) -> tuple[Signed, str]:
            if self.issues:
                return await self._pki.issue(token, sent)
            return await self._pki.sign(token, csr, sent), ""

        try:
            signed, issued_key = await self._session.call(call)
        except Unreachable as error:
            if error.sent:
                log.warning(
                    "it is not known whether a certificate was signed: the answer was lost",
                    certificate=spec.name,
                )
            raise
        _warn_of_lease(signed, spec.name)
        try:
            if self.issues:
                key_der = key_of_pem(issued_key)
                csr = request_pem(spec, key_der)  # what would have been asked for with that key
            try:
                return _verified(signed, csr, spec, key_der, now)
            except UnusableAnswer:  # maybe by a clock that was set since, and at each try again
                server = await self._time()
                if server is None:
                    raise
                return _verified(signed, csr, spec, key_der, server)
        except (UnusableAnswer, UnusableKey):
            await self.revoke(signed.leaf_pem, signed.serial, spec.name, key_der)
            raise

    async def _time(self) -> datetime | None:
        try:
            return await server_time(self._session.client)
        except VaultError:
            return None

    async def probe(self) -> None:
        """Prove mount, role, login and the right to sign without signing. Raises VaultError.

        Where Vault makes the key, mount and login alone.
        """
        await self._pki.ca_chain()
        if self.issues:  # an empty request would be signed there
            await self._session.tokens.get()
            return
        await self._session.call(self._pki.probe)

    async def revoke(self, leaf_pem: str, serial: str, name: str, key_der: bytes) -> bool:
        """Revoke a certificate that was signed and isn't used; returns whether that was possible.

        By its key, as the policy of an enrolled machine allows, otherwise as an administrator does.
        """

        async def by_key(token: str) -> None:
            await self._pki.revoke_own(token, leaf_pem, key_pem(key_der))

        async def call(token: str) -> None:
            await self._pki.revoke(token, leaf_pem)

        try:
            try:
                await self._session.ask(by_key)
            except (VaultForbidden, VaultNotFound, VaultBadRequest):  # no such path, or another key's
                await self._session.call(call)
        except VaultError as error:
            log.warning(
                "a certificate was signed that isn't used, and it can't be revoked: allow update on "
                "<mount>/revoke-with-key in its policy, or revoke it by hand",
                certificate=name,
                serial=serial,
                error=str(error),
            )
            return False
        log.info("revoked a certificate that was signed and isn't used", certificate=name, serial=serial)
        return True

    async def current_cas(self) -> tuple[Certificate, ...]:
        """Return the CAs that sign here now, issuing CA first. Needs no token. Raises VaultError."""
        return read_bundle(await self._pki.ca_chain()).certificates

    async def is_revoked(self, serial: str) -> bool:
        """Return True if Vault says that the certificate is revoked; False where it doesn't know it.

        Needs no token. Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#read-certificate
        """
        try:
            answer: Any = await self._session.client.adapter().get(
                f"/v1/{self._pki.path.mount}/cert/{serial}"
            )
        except VaultNotFound:
            return False
        except VaultError as error:
            log.warning(
                "whether a certificate is revoked can't be seen now; it is taken for good",
                serial=serial,
                error=str(error),
            )
            return False
        data = answer.get("data") if isinstance(answer, dict) else None
        found = data.get("revocation_time") if isinstance(data, dict) else None
        return isinstance(found, int) and found > 0


def _warn_of_lease(signed: Signed, name: str) -> None:
    """Log that a certificate ends with the login that it was signed by, where the role has it so."""
    if signed.leased:
        log.warning(
            "Vault revokes this certificate when the agent's login ends: set the role's generate_lease=false",
            certificate=name,
            serial=signed.serial,
        )


def _parameters(spec: CertificateSpec) -> dict[str, Any]:
    """Return what is sent beside the request, for roles that don't take the names from it."""
    made: dict[str, Any] = {
        "common_name": spec.common_name,
        "alt_names": ",".join((*spec.dns_names, *spec.email_addresses)),
        "ip_sans": ",".join(spec.ip_addresses),
        "uri_sans": ",".join(spec.uris),
    }
    if spec.ttl is not None:
        made["ttl"] = f"{int(spec.ttl.total_seconds())}s"
    return made


def _verified(
    signed: Signed, csr: str, spec: CertificateSpec, key_der: bytes, now: datetime
) -> FreshCertificate:
    try:
        leaf = read_leaf(signed.leaf_pem)
        cas = read_bundle("\n".join(signed.chain_pem)).certificates
        chain = build_chain(leaf, cas, now)
    except (InvalidCertificate, ChainError) as error:
        raise UnusableAnswer(f"Vault's answer can't be used: {error}") from error
    request = read_request(csr.encode())
    asked = RequestedCertificate(request, is_ca=False, usages=_USAGES, duration=spec.ttl)
    ignored = _ROLES_OWN if spec.ttl is not None else _ROLES_OWN | {FindingCode.LIFE_TOO_LONG}
    findings = [one for one in verify(chain, asked, now, shorten=True) if one.code not in ignored]
    fatal = [one.message for one in findings if one.fatal]
    if fatal:
        raise UnusableAnswer("The certificate that came back is not what was asked for: " + "; ".join(fatal))
    return FreshCertificate(
        set_of(chain, key_der), signed.serial, tuple(one.message for one in findings if not one.expected)
    )


def set_of(chain: Chain, key_der: bytes | None) -> CertificateSet:
    """Return a chain as what is written: the root apart, as clients have it and servers don't send it."""
    # Where Vault doesn't give the root, clients get the topmost CA that is known, as by the controller.
    roots = (chain.top,)
    return CertificateSet(
        tuple(map(_library, chain.intermediates)), tuple(map(_library, roots)), _library(chain.leaf), key_der
    )


def _library(certificate: Certificate) -> x509.Certificate:
    found = decoded(certificate)
    if found is None:
        raise UnusableAnswer("A certificate of the answer can't be read by this machine's library")
    return found
