"""Reads CRLs, and CAs that may have signed them, from mounts, URLs and files; bounded in size and time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.manifests.errors import BadInput
from issuer.pki.authorities.parts import UNDECODABLE, shown_name
from issuer.pki.errors import PkiError
from issuer.pki.health.fetching import MAX_BYTES, url_reader
from issuer.pki.lists.described import NamedAuthority
from issuer.pki.server.calls import VaultCalls
from issuer.x509.chains.forms import certificates_as_pem
from issuer.x509.crls import read_crls

_SCHEMES = ("http://", "https://")


@dataclass(frozen=True, slots=True)
class FoundList:
    """A CRL, where it is from, its length in bytes, and whether its mount is set to list nothing."""

    source: str
    crl: x509.CertificateRevocationList
    size: int
    disabled: bool = False


async def named_lists(sources: Sequence[str], ca_pem: bytes | None) -> list[FoundList]:
    """Return the lists behind URLs and in files. Raises BadInput."""
    found = []
    async with url_reader(ca_pem) as reader:
        for source in sources:
            if not source.startswith(_SCHEMES):
                found += _lists_in(source, _content(source))
                continue
            answer = await reader.get(source)
            if answer.problem or answer.status != 200:
                raise BadInput(f"{source}: {answer.problem or f'it answers with {answer.status}'}")
            found += _lists_in(source, answer.body)
    return found


def authorities_in(path: Path) -> tuple[NamedAuthority, ...]:
    """Return the CAs of a file. Raises BadInput."""
    try:
        found = x509.load_pem_x509_certificates(certificates_as_pem(_content(str(path))))
        return tuple(NamedAuthority(shown_name(one), one) for one in found)
    except UNDECODABLE as error:
        raise BadInput(f"{path} holds no CA certificates that can be read: {error}") from error


def _content(name: str) -> bytes:
    try:
        with Path(name).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        hint = "a URL begins with http:// or https://"
        raise BadInput(f"{name} can't be read: {error.strerror}; {hint}") from error
    if len(content) > MAX_BYTES:
        raise BadInput(f"{name} is larger than {MAX_BYTES >> 20} MiB")
    return content


def _lists_in(source: str, content: bytes) -> list[FoundList]:
    """Return the lists of one file or answer; of several each has its number behind the name."""
    try:
        lists = read_crls(content)
    except ValueError as error:
        raise BadInput(f"{source} is no CRL in PEM or DER: {error}") from error
    if len(lists) == 1:
        return [FoundList(source, lists[0], len(content))]
    return [
        FoundList(f"{source} ({number} of {len(lists)})", one, _size(one))
        for number, one in enumerate(lists, start=1)
    ]


def _size(crl: x509.CertificateRevocationList) -> int:
    return len(crl.public_bytes(Encoding.DER))


async def mount_lists(
    calls: VaultCalls, mount: str, told: Callable[[str], None]
) -> AsyncIterator[tuple[NamedAuthority, list[FoundList]]]:
    """Yield the CAs of a mount with their lists, whole and delta; `told` hears of a CA without one.

    Everybody may read these: no right is needed, but to know that a mount's CRL is disabled. Raises BadInput,
    PkiError.
    """
    listed = await calls.read(f"{mount}/issuers/")
    if listed.data is None:
        why = listed.refused or "nothing is there"
        raise BadInput(f"the CAs of {mount} can't be listed ({why}): correct --mount")
    issuers = listed.data.get("key_info") or {}
    if not any(one.get("key_id") for one in issuers.values()):
        raise BadInput(f"no CA of {mount} has its key there, so it has no CRL: name the mount that signs")
    disabled = bool(((await calls.read(f"{mount}/config/crl")).data or {}).get("disable"))
    for identifier, known in issuers.items():
        path, has_key = f"{mount}/issuer/{identifier}", bool(known.get("key_id"))
        label = f"{mount}/{known.get('issuer_name') or identifier}"
        pem = str(((await calls.read(f"{path}/json")).data or {}).get("certificate", ""))
        try:
            authority = NamedAuthority(label, x509.load_pem_x509_certificate(pem.encode()))
        except UNDECODABLE as error:
            if has_key:
                told(f"{label} is passed over: its certificate can't be read ({error})")
            continue
        # A CA without its key here, such as the root above an intermediate, signs no list: Vault answers 500.
        lists = await _lists(calls, path, label, told) if has_key else []
        yield authority, [replace(one, disabled=disabled) for one in lists]


async def _lists(calls: VaultCalls, path: str, label: str, told: Callable[[str], None]) -> list[FoundList]:
    lists = []
    for end in ("crl", "crl/delta"):
        try:
            read = await calls.read(f"{path}/{end}")
        except PkiError as error:  # 500 until the first is made, and for a CA that may sign none
            told(f"{label}/{end} can't be had: {error}")
            continue
        text = str((read.data or {}).get("crl") or "")
        if not text and end == "crl":  # a mount of an old Vault may have none (hashicorp/vault#20137)
            told(f"{label}/{end} can't be had: {read.refused or 'the server has none; crl/rotate makes it'}")
        if text:
            crl = _lists_in(f"{label}/{end}", text.encode())[0]
            lists.append(FoundList(crl.source, crl.crl, _size(crl.crl)))
    return lists
