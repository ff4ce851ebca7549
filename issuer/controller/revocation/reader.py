"""Reads what the plan asks for from the API server: request, Secret, and need of its name."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from enum import Enum
from typing import Any

from issuer.controller.revocation.plan import Found, Leaf
from issuer.controller.revocation.reasons import NotRevokedReason
from issuer.controller.revocation.store import Record
from issuer.kube.client import KubeClient
from issuer.kube.errors import Forbidden, Invalid, KubeError, NotFound
from issuer.kube.resources import SECRETS
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.conditions import is_true
from issuer.requests.request import RequestKey
from issuer.requests.resources import CERTIFICATE_REQUESTS, CERTIFICATES
from issuer.x509.certificates import Certificate, public_key, write_certificates
from issuer.x509.chains.bundle import read_leaf
from issuer.x509.describe import serial_hex
from issuer.x509.errors import X509Error
from issuer.x509.request import decode_request


class CantTell(Exception):
    """Evidence that does not say whether revoking is right; `final` if it won't change by itself."""

    def __init__(self, reason: NotRevokedReason, message: str, *, final: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.final = final


class Issuing(Enum):
    """Work of cert-manager on a Certificate now; it names requests `<certificate>-<revision>`."""

    NOTHING = "it issues nothing"
    ANOTHER = "it issues a certificate, by a request of another name"
    THIS_NAME = "it needs the request's name: the Certificate was recreated, or its spec has changed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One look at a request: its certificate as PEM, the serial in hexadecimal, and what was found.

    `is_ca` says whether a CA was asked for, which tells the path that signed it.
    """

    leaf_pem: str
    serial: str
    is_ca: bool
    found: Found


class EvidenceReader:
    """Reads one request's surroundings; all by name."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def request(self, key: RequestKey, uid: str) -> CertificateRequest:
        """The very request, as it is now. Raises NotFound when it is gone, and other KubeErrors."""
        found = CertificateRequest(await self._client.get(CERTIFICATE_REQUESTS, key.name, key.namespace))
        if found.uid != uid:
            raise NotFound(f"{key} was recreated")
        return found

    async def evidence(self, request: CertificateRequest, record: Record) -> Evidence:
        """The request's certificate, and what its Secret holds. Raises CantTell, KubeError."""
        leaf = _own_certificate(request)
        held = await self._held(request.key.namespace, record, leaf.serial_number)
        pem, serial = write_certificates((leaf,)), serial_hex(leaf)
        return Evidence(pem, serial, request.is_ca, Found(_leaf(leaf), held))

    async def issuing(self, key: RequestKey, record: Record) -> Issuing:
        """Read what cert-manager does for the request's Certificate. To be read before its Secret."""
        if not record.certificate:
            return Issuing.NOTHING
        try:
            found = await self._client.get(CERTIFICATES, record.certificate, key.namespace)
        except KubeError:
            return Issuing.NOTHING
        if found["metadata"].get("deletionTimestamp"):
            return Issuing.NOTHING
        status = found.get("status") or {}
        if not is_true(status.get("conditions"), "Issuing"):
            return Issuing.NOTHING
        next_revision = int(status.get("revision") or 0) + 1
        return Issuing.THIS_NAME if next_revision == record.revision else Issuing.ANOTHER

    async def _held(self, namespace: str, record: Record, serial: int) -> Leaf | None:
        """Read the certificate in the Secret that was noted before signing, or in the one named now.

        The note is an annotation, which whoever may update requests can change. One that holds `serial`
        goes first.
        """
        names = dict.fromkeys((record.secret, await self._secret_now(namespace, record.certificate)))
        held = [leaf for name in names if (leaf := await self._held_by(namespace, name)) is not None]
        return next((leaf for leaf in held if leaf.serial == serial), held[0] if held else None)

    async def _secret_now(self, namespace: str, certificate: str) -> str:
        """`spec.secretName` of the Certificate as it is now, empty when there is none."""
        try:
            return await secret_name(self._client, namespace, certificate)
        except Forbidden as error:
            message = f"the Certificate {certificate} can't be read: {error.message}"
            raise CantTell(NotRevokedReason.CERTIFICATE_FORBIDDEN, message) from error

    async def _held_by(self, namespace: str, secret: str) -> Leaf | None:
        if not secret:
            return None
        try:
            found = await self._client.get(SECRETS, secret, namespace)
        except (NotFound, Invalid):
            return None
        except Forbidden as error:
            raise CantTell(
                NotRevokedReason.SECRET_FORBIDDEN, f'the Secret "{secret}" can\'t be read: {error.message}'
            ) from error
        return _held_leaf(found, secret)


async def secret_name(client: KubeClient, namespace: str, certificate: str) -> str:
    """`spec.secretName` of a Certificate, empty when there is none. Raises KubeError."""
    if not certificate:
        return ""
    try:
        found = await client.get(CERTIFICATES, certificate, namespace)
    except (NotFound, Invalid):
        return ""
    return str((found.get("spec") or {}).get("secretName") or "")


def _own_certificate(request: CertificateRequest) -> Certificate:
    """The request's certificate, if it is for the request's own key.

    Whoever may write to status could put somebody else's certificate there and have it revoked: it must at
    least be for the key of `spec.request`. That leaves who may write status and knows the other's CSR.
    """
    try:
        raw = base64.b64decode(request.object["status"]["certificate"], validate=True)
        leaf = read_leaf(raw)
        asked = decode_request(request.spec.get("request") or "")
    except (KeyError, TypeError, binascii.Error, X509Error) as error:
        message = "the request's certificate can't be read"
        raise CantTell(NotRevokedReason.CERTIFICATE_UNREADABLE, message, final=True) from error
    if public_key(leaf) != asked.public_key:
        message = "the certificate in its status is not for the key of its spec.request"
        raise CantTell(NotRevokedReason.NOT_ITS_CERTIFICATE, message, final=True)
    return leaf


def serial_of(request: CertificateRequest) -> str:
    """The serial of the certificate in its status, for telling; "unknown" when that can't be read."""
    try:
        raw = base64.b64decode(request.object["status"]["certificate"], validate=True)
        return serial_hex(read_leaf(raw))
    except (KeyError, TypeError, binascii.Error, X509Error):
        return "unknown"


def _held_leaf(secret: dict[str, Any], name: str) -> Leaf | None:
    text = (secret.get("data") or {}).get("tls.crt")
    if not text:
        return None
    try:
        return _leaf(read_leaf(base64.b64decode(text, validate=True)))
    except (binascii.Error, X509Error) as error:
        raise CantTell(
            NotRevokedReason.SECRET_UNREADABLE, f'tls.crt of the Secret "{name}" can\'t be read'
        ) from error


def _leaf(certificate: Certificate) -> Leaf:
    return Leaf(certificate.serial_number, certificate.not_valid_before_utc, certificate.not_valid_after_utc)
