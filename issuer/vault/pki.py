"""The PKI engine's calls: sign, read the CA chain, prove the right to sign, revoke.

Source: https://developer.hashicorp.com/vault/api-docs/secret/pki; answers recorded from OpenBao 2.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from issuer.transport.clocks import difference
from issuer.transport.sending import Ask
from issuer.vault.errors import (
    BranchedChain,
    CAExpiresTooSoon,
    CANotReady,
    IssuerNotFound,
    RoleNotFound,
    RoleSetsNotAfter,
    ServerError,
    UnexpectedAnswer,
    VaultBadRequest,
    VaultError,
    VaultForbidden,
    VaultNotFound,
)
from issuer.vault.hvac_apis import PkiApi, format_url
from issuer.vault.paths import Mode, PathError, SignPath
from issuer.vault.transport import VaultClient

__all__ = ["PathError", "Pki", "SignPath", "Signed"]

_BEGIN = "-----BEGIN CERTIFICATE-----"
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Vault tells these apart by text only. Every pattern is matched from the start: other messages quote names
# out of the CSR, and a requester must not be able to make Vault say that the whole issuer is broken.
_MEANINGS: tuple[tuple[re.Pattern[str], type[VaultError]], ...] = (
    (re.compile(r"unknown role: "), RoleNotFound),
    (
        re.compile(
            r"(could not fetch the CA certificate \(was one set\?\): |error fetching CA certificate: )?"
            r"unable to find PKI issuer for reference: "
        ),
        IssuerNotFound,
    ),
    (re.compile(r"could not fetch the CA certificate|error fetching CA certificate"), CANotReady),
    (re.compile(r"no default issuer currently configured|unable to fetch corresponding key"), CANotReady),
    # certutil.ParsedCertBundle.Verify (sdk/helper/certutil), asked for CAs alone.
    (re.compile(r"verification of parsed bundle failed: "), BranchedChain),
    (re.compile(r"cannot satisfy request, as TTL would result in notAfter"), CAExpiresTooSoon),
    (re.compile(r"Either ttl or not_after should be provided"), RoleSetsNotAfter),
)
_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Role:
    """A PKI role, as far as it says which CA signs, and for how long.

    `issuer_ref` is None for the mount's default. `not_after` is a fixed end of every certificate, empty for
    none. `leases` is True if Vault revokes its certificates with the token that they were signed by.
    """

    issuer_ref: str | None
    not_after: str
    leases: bool = False


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed certificate, as PEM.

    `chain_pem` is the CA chain that Vault sent, issuing CA first, empty if that can't be read; `serial` is in
    Vault's form (`aa:bb:...`), empty if none came. `leased` is True if Vault revokes it with the token that
    it was signed by.
    """

    leaf_pem: str
    chain_pem: tuple[str, ...]
    serial: str
    leased: bool = False


class Pki:
    """The calls on one signing path.

    `clock` is by how much Vault's clock was ahead of ours as the CA chain was last read; None if not known.
    """

    def __init__(self, client: VaultClient, path: SignPath) -> None:
        self._client = client
        self.path = path
        self.clock: timedelta | None = None

    async def sign(
        self, token: str, csr_pem: str, parameters: Mapping[str, Any], before: Ask | None = None
    ) -> Signed:
        """Sign a CSR with the parameters of the path's mode; `before` is called before a byte is sent.

        Never repeated here: after Unreachable with `sent` it may have been signed. Raises RoleNotFound,
        IssuerNotFound, CANotReady, CAExpiresTooSoon, or any VaultError.
        """
        return _signed(await self._post_csr(token, csr_pem, parameters, before), str(self.path))

    async def issue(self, token: str, parameters: Mapping[str, Any]) -> tuple[Signed, str]:
        """Have Vault make a key and sign for it (<mount>/issue/<role>); returns the key as PEM, too.

        Never repeated here, as `sign`. Raises what `sign` raises, and UnexpectedAnswer without a key.
        """
        url = f"/v1/{self.path.base}/issue/{self.path.role}"
        try:
            answer = await self._client.adapter(token).post(
                url, json={**parameters, "format": "pem", "private_key_format": "pkcs8"}
            )
        except (VaultBadRequest, ServerError) as error:
            raise _narrowed(error) from error.__cause__
        signed = _signed(answer, url)
        key = answer["data"].get("private_key")
        if not isinstance(key, str):
            raise UnexpectedAnswer(f"Vault's answer to {url} holds no private key")
        return signed, key

    async def probe(self, token: str) -> None:
        """Prove mount, issuer, role and the right to sign without signing: an empty CSR is refused as empty.

        Call `ca_chain` first: it proves that the mount is a PKI engine. A key-value engine would *store* the
        probe.
        Raises VaultForbidden, RoleNotFound, IssuerNotFound, CANotReady, VaultNotFound and other VaultErrors.
        """
        try:
            await self._post_csr(token, "", {})
        except VaultBadRequest:  # `"csr" is empty`: everything before it held
            return
        raise UnexpectedAnswer(
            f"{self.path} takes an empty certificate request: it is not a PKI path that signs"
        )

    async def ca_chain(self, issuer_ref: str | None = None) -> str:
        """Return the CA chain of that issuer of the mount, else of the path's, else of the default, as PEM.

        Read without a token: on a PKI mount this needs none. Raises VaultNotFound if no PKI engine answers,
        CANotReady if it has no CA, IssuerNotFound.
        """
        adapter, began = self._client.adapter(), datetime.now(UTC)
        issuer = issuer_ref or self.path.issuer_ref
        try:
            if issuer is None:
                pem = await adapter.get(f"/v1/{self.path.mount}/ca_chain", raw=True)
            else:
                url = format_url("/v1/{mount}/issuer/{issuer}/json", mount=self.path.mount, issuer=issuer)
                pem = _chain_of(await adapter.get(url))
        except VaultForbidden as error:
            # Without a token Vault says 403, not 404, for what it doesn't have; a proxy's rules may, too.
            message = f'Vault does not say whether "{self.path.mount}" exists ({error.status})'
            raise VaultNotFound(message, status=error.status) from error
        except (VaultBadRequest, ServerError) as error:
            narrowed = _narrowed(error)
            if type(narrowed) is VaultBadRequest:  # nothing was asked that a PKI engine refuses so
                narrowed = UnexpectedAnswer(error.message, status=error.status, messages=error.messages)
            raise narrowed from error.__cause__
        if _BEGIN not in pem:
            raise CANotReady(f"The PKI engine at {self.path.mount} has no CA certificate")
        self.clock = difference(adapter.answered_at, began, datetime.now(UTC))
        adapter.show(str(pem))
        return str(pem)

    async def issuers(self) -> dict[str, str]:
        """Return the IDs of the mount's issuers with their serial numbers (`aa:bb:...`; empty if none is
        given).

        Read without a token: on a PKI mount this needs none. Raises VaultError; UnexpectedAnswer also beyond
        the transport's size, which holds some thousands of issuers. Source:
        https://developer.hashicorp.com/vault/api-docs/secret/pki#list-issuers
        """
        # As GET, which Vault takes for LIST: proxies and firewalls know no LIST.
        answer = await self._client.adapter().get(f"/v1/{self.path.mount}/issuers?list=true")
        data = answer.get("data") if isinstance(answer, dict) else None
        keys = data.get("keys") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(keys, list):
            raise UnexpectedAnswer("Vault's answer about the mount's issuers names none")
        about = data.get("key_info")
        about = about if isinstance(about, dict) else {}
        return {key: _serial(about.get(key)) for key in keys if isinstance(key, str) and _ID.fullmatch(key)}

    async def issuer_certificate(self, issuer: str) -> str:
        """Return the certificate, as PEM, of the issuer with that ID. Read without a token. Raises
        VaultError."""
        answer = await self._client.adapter().get(f"/v1/{self.path.mount}/issuer/{issuer}/json")
        data = answer.get("data") if isinstance(answer, dict) else None
        found = data.get("certificate") if isinstance(data, dict) else None
        if not isinstance(found, str) or _BEGIN not in found:
            raise UnexpectedAnswer("Vault's answer about the issuer holds no certificate")
        return found

    async def revoke(self, token: str, certificate: str) -> None:
        """Revoke by PEM (works for certificates that the role doesn't store, too) or by serial number."""
        try:
            if _BEGIN in certificate:
                url = f"/v1/{self.path.mount}/revoke"
                await self._client.adapter(token).post(url, json={"certificate": certificate})
            else:
                api = PkiApi(self._client.adapter(token))
                await api.revoke_certificate(certificate, mount_point=self.path.mount)
        except ServerError as error:
            raise _narrowed(error) from error.__cause__

    async def revoke_own(self, token: str, certificate: str, key_pem: str) -> None:
        """Revoke a certificate by PEM, by its key: a policy that allows this lets nobody revoke others'.

        Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#revoke-certificate-with-private-key
        """
        body = {"certificate": certificate, "private_key": key_pem}
        await self._client.adapter(token).post(f"/v1/{self.path.mount}/revoke-with-key", json=body)

    async def may_revoke(self, token: str) -> bool:
        """Return True if the token's policies let it revoke here. Raises VaultError; VaultForbidden if it may
        not ask."""
        return await self._may(token, "update", f"{self.path.mount}/revoke")

    async def may_read_role(self, token: str) -> bool:
        """Return True if the token's policies let it read the path's role, as `may_revoke` does."""
        return await self._may(token, "read", self._role_path)

    async def role(self, token: str) -> Role:
        """Return the path's role. Raises VaultError; VaultNotFound if there is none.

        Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#read-role
        """
        answer = await self._client.adapter(token).get(format_url("/v1/{path}", path=self._role_path))
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, dict):
            raise UnexpectedAnswer("Vault's answer about the role holds no data")
        issuer, not_after = data.get("issuer_ref"), data.get("not_after")
        named = isinstance(issuer, str) and issuer and issuer != _DEFAULT
        return Role(
            str(issuer) if named else None,
            not_after if isinstance(not_after, str) else "",
            leases=data.get("generate_lease") is True,
        )

    @property
    def _role_path(self) -> str:
        return f"{self.path.mount}/roles/{self.path.role}"

    async def _may(self, token: str, capability: str, path: str) -> bool:
        """Return True if the token's policies give it that capability.

        Source: https://developer.hashicorp.com/vault/api-docs/system/capabilities-self
        """
        answer = await self._client.adapter(token).post("/v1/sys/capabilities-self", json={"paths": [path]})
        data = answer.get("data") if isinstance(answer, dict) else None
        capabilities = data.get(path) if isinstance(data, dict) else None
        if not isinstance(capabilities, list):
            raise UnexpectedAnswer("Vault's answer about the token's capabilities names none")
        return bool({capability, "root"} & set(map(str, capabilities)))

    async def _post_csr(
        self, token: str, csr_pem: str, parameters: Mapping[str, Any], before: Ask | None = None
    ) -> Any:
        # hvac writes into the dict: a fresh one for each call.
        fresh = dict(parameters)
        adapter = self._client.adapter(token, before)
        try:
            match self.path.mode:
                case Mode.INTERMEDIATE:
                    # hvac has no call for the form with an issuer.
                    url = format_url("/v1/{path}", path=str(self.path))
                    return await adapter.post(url, json={**fresh, "csr": csr_pem})
                case Mode.VERBATIM:
                    return await PkiApi(adapter).sign_verbatim(
                        csr_pem, self.path.role or False, extra_params=fresh, mount_point=self.path.base
                    )
            return await PkiApi(adapter).sign_certificate(
                self.path.role,
                csr_pem,
                fresh.pop("common_name", ""),
                extra_params=fresh,
                mount_point=self.path.base,
            )
        except (VaultBadRequest, ServerError) as error:
            raise _narrowed(error) from error.__cause__


def _narrowed(error: VaultError) -> VaultError:
    for message in error.messages:
        for pattern, kind in _MEANINGS:
            if pattern.match(message):
                return kind(error.message, status=error.status, messages=error.messages)
    return error


def _signed(answer: Any, where: str) -> Signed:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise UnexpectedAnswer(f"Vault's answer to {where} holds no data (a wrapped answer can't be used)")
    leaf, serial = data.get("certificate"), data.get("serial_number")
    chain = data.get("ca_chain") or [data.get("issuing_ca")]
    if not isinstance(leaf, str) or _BEGIN not in leaf:
        raise UnexpectedAnswer(f"Vault's answer to {where} holds no certificate in PEM")
    # Whatever else is wrong, the caller has the certificate, to revoke it.
    cas = chain if isinstance(chain, list) else ()
    pems = tuple(ca for ca in cas if isinstance(ca, str) and _BEGIN in ca)
    leased = bool(answer.get("lease_id"))
    return Signed(leaf, pems, serial if isinstance(serial, str) else "", leased)


def _serial(about: Any) -> str:
    serial = about.get("serial_number") if isinstance(about, dict) else None
    return serial.lower() if isinstance(serial, str) else ""


def _chain_of(answer: Any) -> str:
    data = answer.get("data") if isinstance(answer, dict) else None
    chain = data.get("ca_chain") if isinstance(data, dict) else None
    if not isinstance(chain, list):
        raise UnexpectedAnswer("Vault's answer about the issuer holds no CA chain")
    return "\n".join(ca.strip() for ca in chain if isinstance(ca, str)) + "\n"
