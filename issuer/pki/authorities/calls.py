"""The PKI calls that making a CA needs. Source: https://developer.hashicorp.com/vault/api-docs/secret/pki"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography import x509

from issuer.pki.authorities.certificates import other_key
from issuer.pki.authorities.identity import CAIdentity, identify
from issuer.pki.authorities.parts import read_ca, serial_text, spki_sha256
from issuer.pki.errors import NotPermitted, OtherAuthority, PkiError
from issuer.pki.file.authority import Authority
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead
from issuer.x509.chains.links import signed_by


@dataclass(frozen=True, slots=True)
class IssuedCA:
    """A CA certificate as its signer gave it: PEM, serial in Vault's form, and the chain above it."""

    certificate: str
    serial: str
    chain: tuple[str, ...] = ()


def subject_fields(authority: Authority) -> dict[str, Any]:
    """Return an authority's subject in Vault's fields. Its common name must not become a DNS name."""
    subject = authority.subject
    if subject is None:
        return {}
    fields: dict[str, Any] = {"common_name": subject.common_name, "exclude_cn_from_sans": True}
    for name in ("organization", "ou", "country", "province", "locality"):
        values = getattr(subject, name)
        if values:
            fields[name] = list(values)
    return fields


def certificate_fields(authority: Authority) -> dict[str, Any]:
    """Return subject, lifetime and constraints in Vault's fields."""
    fields = {**subject_fields(authority), "ttl": f"{authority.lifetime}s"}
    if authority.max_path_length is not None:
        fields["max_path_length"] = authority.max_path_length
    if authority.permitted_dns_domains:
        fields["permitted_dns_domains"] = list(authority.permitted_dns_domains)
    return fields


def key_fields(name: str, authority: Authority) -> dict[str, Any]:
    """Return type, size and name of an authority's key in Vault's fields."""
    fields: dict[str, Any] = {"key_type": authority.key.type, "key_name": authority.key_name or name}
    if authority.key.size:
        fields["key_bits"] = authority.key.size
    return fields


class AuthorityCalls:
    """Calls on the mount of one authority."""

    def __init__(self, calls: VaultCalls, name: str, authority: Authority) -> None:
        self.calls = calls
        self.name = name
        self.authority = authority
        self.mount = authority.mount

    async def identity(self) -> CAIdentity:
        """Read what there is of it."""
        keys, issuers = f"{self.mount}/keys/", f"{self.mount}/issuers/"
        read = await self.calls.read_all((keys, issuers))
        return identify(self.name, self.authority, must_read(keys, read), must_read(issuers, read))

    async def certificate_of(self, issuer: str) -> x509.Certificate:
        """Read the certificate of an issuer, by name or id."""
        path = f"{self.mount}/issuer/{issuer}"
        data = must_read(path, {path: await self.calls.read(path)})
        if data is None:
            raise PkiError(f"{path} was there a moment ago and is gone; run the same again")
        return read_ca(data, path)

    def hold(self, keyed: x509.Certificate | x509.CertificateSigningRequest) -> None:
        """Raise OtherAuthority unless a certificate or request is for the key that the file names."""
        problem = other_key(self.authority, keyed)
        if problem:
            raise OtherAuthority(f"{self.name} in mount {self.mount} {problem}")

    async def hold_pin(self, identity: CAIdentity) -> None:
        """Raise OtherAuthority if what there is of it has another key than the file names."""
        if self.authority.spki_sha256 is None or not identity.key_id:
            return
        if identity.issuer_id:
            self.hold(await self.certificate_of(identity.issuer_id))
        else:
            self.hold(x509.load_pem_x509_csr((await self.request_of_key(identity.key_id)).encode()))

    async def generate_root(self) -> None:
        """Make key and certificate of a root in one call."""
        body = {
            **certificate_fields(self.authority),
            **key_fields(self.name, self.authority),
            "issuer_name": self.name,
        }
        await self.calls.write(f"{self.mount}/root/generate/internal", body)

    async def root_of_key(self, key_id: str) -> None:
        """Make the certificate of a root whose key is there."""
        body = {**certificate_fields(self.authority), "key_ref": key_id, "issuer_name": self.name}
        await self.calls.write(f"{self.mount}/root/generate/existing", body)

    async def new_request(self) -> str:
        """Make a key and return a request for it, PEM."""
        body = {**subject_fields(self.authority), **key_fields(self.name, self.authority)}
        return str((await self.calls.write(f"{self.mount}/intermediate/generate/internal", body))["csr"])

    async def request_of_key(self, key_id: str) -> str:
        """Return a request for a key that is there, PEM."""
        body = {**subject_fields(self.authority), "key_ref": key_id}
        return str((await self.calls.write(f"{self.mount}/intermediate/generate/existing", body))["csr"])

    async def import_certificates(self, pem: str) -> Mapping[str, str]:
        """Import certificates; return issuer ids with the id of each one's key, "" without."""
        answer = await self.calls.write(f"{self.mount}/intermediate/set-signed", {"certificate": pem})
        return {str(issuer): str(key or "") for issuer, key in (answer.get("mapping") or {}).items()}

    async def import_key(self, pem: SecretText) -> Mapping[str, str]:
        """Import certificates with a key; return issuer ids with the id of each one's key, "" without."""
        answer = await self.calls.write(f"{self.mount}/issuers/import/bundle", {"pem_bundle": pem})
        return {str(issuer): str(key or "") for issuer, key in (answer.get("mapping") or {}).items()}

    async def name_key(self, key_id: str) -> None:
        """Give a key its name. Raises VaultBadRequest if another has it."""
        body = {"key_name": self.authority.key_name or self.name}
        await self.calls.write(f"{self.mount}/key/{key_id}", body)

    async def issuer_of_certificate(self, certificate: x509.Certificate) -> tuple[str, str]:
        """Return the ids of the issuer that has this certificate and of its key; "" where there is none."""
        path = f"{self.mount}/issuers/"
        listed = must_read(path, {path: await self.calls.read(path)}) or {}
        serial = serial_text(certificate)
        for issuer, info in (listed.get("key_info") or {}).items():
            same = info.get("serial_number", serial) == serial
            if same and await self.certificate_of(issuer) == certificate:
                return str(issuer), str(info.get("key_id") or "")
        return "", ""

    async def name_issuer(self, issuer_id: str) -> None:
        """Give an issuer its name and settings. Raises VaultBadRequest if another has the name."""
        body = {"issuer_name": self.name, **self.authority.settings}
        await self.calls.write(f"{self.mount}/issuer/{issuer_id}", body)

    async def delete_issuer(self, issuer_id: str, kept: str) -> None:
        """Delete an issuer that lost to `kept`; their key stays.

        It may be the mount's default: without one, paths that name no issuer would fail.
        """
        path = f"{self.mount}/config/issuers"
        config = must_read(path, {path: await self.calls.read(path)}) or {}
        if config.get("default") == issuer_id:
            follows = {"default_follows_latest_issuer": config.get("default_follows_latest_issuer", False)}
            await self.calls.write(path, {"default": kept, **follows})
        await self.calls.delete(f"{self.mount}/issuer/{issuer_id}")


class SignerCalls:
    """Calls on the mount that signs."""

    def __init__(self, calls: VaultCalls, name: str, signer: Authority) -> None:
        self.calls = calls
        self.name = name
        self.mount = signer.mount

    async def sign(self, csr: str, authority: Authority) -> IssuedCA:
        """Sign a request."""
        body = {**certificate_fields(authority), "csr": csr, "format": "pem"}
        answer = await self.calls.write(f"{self.mount}/issuer/{self.name}/sign-intermediate", body)
        chain = tuple(str(one) for one in answer.get("ca_chain") or () if one)
        return IssuedCA(str(answer["certificate"]), str(answer["serial_number"]), chain)

    async def chain(self) -> tuple[str, ...]:
        """Return the signer's own certificate and those above it, PEM."""
        path = f"{self.mount}/issuer/{self.name}"
        data = must_read(path, {path: await self.calls.read(path)}) or {}
        return tuple(str(one) for one in data.get("ca_chain") or ())

    async def certificate(self) -> x509.Certificate:
        """Read the signer's own certificate, for which a token needs no right."""
        path = f"{self.mount}/issuer/{self.name}/json"
        data = must_read(path, {path: await self.calls.read(path)})
        if data is None:
            raise PkiError(f"{self.mount} has no CA {self.name}, which is to sign; run the same again")
        return _read(str(data["certificate"]))

    async def signed_already(self, csr: str, now: datetime) -> list[IssuedCA]:
        """Return the valid, unrevoked certificates by this CA for key and subject of `csr`, the oldest first.

        The mount's list has those of its other CAs, too, such as a cross-signature.
        """
        request = x509.load_pem_x509_csr(csr.encode())
        path = f"{self.mount}/certs/"
        listed = must_read(path, {path: await self.calls.read(path)}) or {}
        serials = [str(one) for one in listed.get("keys") or ()]
        read = await self.calls.read_all(f"{self.mount}/cert/{serial}" for serial in serials)
        found = []
        for serial in serials:
            data = must_read(f"{self.mount}/cert/{serial}", read)
            certificate = _matching(data, request, now, f"{self.mount}/cert/{serial}")
            if data is not None and certificate is not None:
                found.append((certificate.not_valid_before_utc, serial, str(data["certificate"])))
        if not found:
            return []
        signer = await self.certificate()
        return [IssuedCA(pem, serial) for _, serial, pem in sorted(found) if signed_by(_read(pem), signer)]

    async def revoke(self, serial: str) -> None:
        """Revoke a certificate that is one too many."""
        await self.calls.write(f"{self.mount}/revoke", {"serial_number": serial})


def must_read(path: str, read: Mapping[str, PathRead]) -> Mapping[str, Any] | None:
    """Return what a path holds, None if nothing. Raises NotPermitted if it may not be read."""
    found = read[path]
    if found.refused is not None:
        raise NotPermitted(
            f"The token may not read {path} ({found.refused}). Give it a policy that allows it, and run the "
            "same again: what was done stays"
        )
    return found.data


def _read(pem: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pem.encode())


def _matching(
    data: Mapping[str, Any] | None, request: x509.CertificateSigningRequest, now: datetime, where: str
) -> x509.Certificate | None:
    if data is None or data.get("revocation_time"):
        return None
    certificate = read_ca(data, where)
    fits = (
        certificate.subject == request.subject
        and certificate.not_valid_after_utc > now
        and spki_sha256(certificate) == spki_sha256(request)
    )
    return certificate if fits else None
