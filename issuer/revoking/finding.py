"""Finds what a user named: certificates in Vault by serial number, else by what a file or object holds."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509

from issuer.inspection.kinds import CERTIFICATE_KIND
from issuer.inspection.lookup import current_request
from issuer.inspection.reading import Reader
from issuer.inspection.target import InspectionTarget
from issuer.inventory.certificate import KnownCertificate, KnownIssuers, known, pem_of, read_pem, serial_of
from issuer.kube.errors import NotFound
from issuer.kube.resources import SECRETS
from issuer.kube.wire import Object
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead
from issuer.requests.resources import CERTIFICATES
from issuer.revoking.named import REQUEST_KINDS, NamedSerial
from issuer.x509.chains.forms import certificates_as_pem

KnownCertificateWithPem = tuple[KnownCertificate, str]
_MOST_BYTES: Final = 1 << 20


def file_certificate(path: Path) -> x509.Certificate:
    """Return the first certificate of a file. Raises BadInput."""
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{path} can't be read: {error.strerror}") from error
    if len(content) > _MOST_BYTES:
        raise BadInput(f"{path} is larger than {_MOST_BYTES >> 20} MiB: name the certificate's own file")
    try:
        return read_pem(certificates_as_pem(content))
    except ValueError as error:
        raise BadInput(f"{path} holds no certificate that can be read") from error


async def object_certificate(reader: Reader, target: InspectionTarget) -> x509.Certificate:
    """Return the certificate of a request, Certificate or Secret. Raises BadInput, KubeError.

    That of a Certificate is what its newest request holds, and its Secret's where that has none: no right to
    Secrets is needed for it.
    """
    request_kind = next((one for one in REQUEST_KINDS if one.kind == target.kind), None)
    secret = target.name
    try:
        if request_kind is not None:
            found = await reader.client.get(request_kind.resource, target.name, target.namespace or None)
            return _decoded(_issued(found), target)
        if target.kind == CERTIFICATE_KIND.kind:
            found = await reader.client.get(CERTIFICATES, target.name, target.namespace)
            encoded = _issued(await current_request(reader, found) or {})
            if encoded:
                return _decoded(encoded, target)
            secret = str((found.get("spec") or {}).get("secretName") or "")
        held = await reader.client.get(SECRETS, secret, target.namespace)
    except NotFound as error:
        also = "" if request_kind else ", or no Secret of it"
        where = " (see -n)" if target.namespace else ""
        raise BadInput(f"there is no {target.quoted}{also}{where}") from error
    return _decoded(str((held.get("data") or {}).get("tls.crt") or ""), target)


def _issued(request: Object) -> str:
    return str((request.get("status") or {}).get("certificate") or "")


def _decoded(encoded: str, target: InspectionTarget) -> x509.Certificate:
    try:
        return read_pem(base64.b64decode(encoded))
    except ValueError as error:
        raise BadInput(f"{target.quoted} holds no certificate that can be read") from error


async def by_serial(
    calls: VaultCalls, named: NamedSerial, mounts: Sequence[str], issuers: KnownIssuers
) -> KnownCertificateWithPem:
    """Return the certificate of a serial number from the mount that stores it. Raises BadInput, PkiError."""
    asked = [named.mount] if named.mount else list(mounts)
    reads = {mount: await calls.read(f"{mount}/cert/{named.serial}") for mount in asked}
    found = [_stored(read, mount, issuers) for mount, read in reads.items() if read.data is not None]
    for row, _ in found:
        if row.serial != named.serial:
            raise BadInput(f"for {named.serial} {row.mount} answers with another certificate, {row.serial}")
    if len({row.sha256 for row, _ in found}) > 1:
        each = "; ".join(f"{row.mount}/{row.serial} is {shown(row.label)}" for row, _ in found)
        raise BadInput(f"{named.serial} is another certificate in each mount: name one. {each}")
    if not found:
        refused = [mount for mount, read in reads.items() if read.refused is not None]
        hint = f" ({', '.join(refused)} may not be read)" if refused else ""
        raise BadInput(
            f"no certificate {named.serial} is stored in {', '.join(asked) or 'any PKI mount'}{hint}: where "
            "the role has no_store, give the certificate itself as a file"
        )
    # A mount may store certificates that another one signed: only the signer's CRL can have them.
    return next((one for one in found if one[0].issuer.startswith(f"{one[0].mount}/")), found[0])


async def by_certificate(
    calls: VaultCalls, certificate: x509.Certificate, issuers: KnownIssuers
) -> KnownCertificateWithPem:
    """Return a certificate with the mount that signed it, and what that says of it.

    A CA that came from elsewhere may have given a serial number that another certificate of the mount has;
    Vault tells them apart by nothing else. Raises BadInput, PkiError.
    """
    row = known(certificate, issuers)
    if not row.mount:
        raise BadInput(
            f"none of the CAs in the PKI mounts signed {shown(row.label)} (issuer {shown(row.issuer)}): it "
            "is another CA's, or its mount may not be read"
        )
    mounts = list(dict.fromkeys(one.mount for one in issuers.every(certificate)))
    reads = {mount: await calls.read(f"{mount}/cert/{serial_of(certificate)}") for mount in mounts}
    found = [_stored(read, mount, issuers)[0] for mount, read in reads.items() if read.data is not None]
    stored = next((one for one in found if one.sha256 == row.sha256), found[0] if found else None)
    pem = pem_of(certificate)
    if stored is None and len(mounts) > 1:
        raise BadInput(
            f"the CA of {shown(row.label)} is in {', '.join(mounts)}, each with a CRL of its own, and none "
            "stores it: name the mount that its clients' CRL is of by --mount"
        )
    if stored is None:
        return row, pem
    if stored.sha256 != row.sha256:
        raise BadInput(
            f"{stored.mount} stores another certificate with the serial number {row.serial}, "
            f"{shown(stored.label)} of {shown(stored.issuer)}, so Vault can't revoke {shown(row.label)} of "
            f"{shown(row.issuer)}: it knows one by each number"
        )
    return stored, pem


def _stored(read: PathRead, mount: str, issuers: KnownIssuers) -> KnownCertificateWithPem:
    pem = str((read.data or {}).get("certificate", ""))
    try:
        return known(read_pem(pem), issuers, mount, read.data), pem
    except ValueError as error:
        raise BadInput(f"the certificate in {mount} can't be read: {error}") from error
