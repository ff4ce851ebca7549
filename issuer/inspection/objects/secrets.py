"""Accounts of Secrets that hold a certificate: its fields, chain and key. Pure.

A private key is compared with the certificate, and never printed.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.explain.advice import Advice
from issuer.inspection.commands import renew
from issuer.inspection.objects.account import AccountItem, AccountList, Mark, ObjectAccount
from issuer.inspection.progress import text_of
from issuer.inspection.request.chains import Delivered, chain_json, delivered
from issuer.inspection.request.contents import certificate_json
from issuer.kube.wire import Object
from issuer.manifests.text import shown
from issuer.terminal.ages import until
from issuer.terminal.tables import listed
from issuer.x509.certificates import Certificate, decoded
from issuer.x509.chains.bundle import Bundle, read_bundle, read_delivered
from issuer.x509.chains.links import signed_by
from issuer.x509.errors import EncryptedPrivateKey, InvalidPrivateKey, X509Error
from issuer.x509.keys.private import read_private_key

CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
CA: Final = "ca.crt"
_ANNOTATIONS: Final = "cert-manager.io/"
_MOST_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class _Held:
    """Content of a Secret: entries by name, and the certificates of `tls.crt` and `ca.crt`.

    `problem` says why there is no certificate.
    """

    entries: Mapping[str, bytes]
    own: tuple[Certificate, ...]
    cas: tuple[Certificate, ...]
    problem: str = ""
    ca_problem: str = ""


def secret_account(secret: Object, now: datetime) -> ObjectAccount:
    """Return the account of a Secret."""
    held = _held(secret)
    found = delivered(held.own, held.cas, now) if held.own else None
    leaf = None if found is None else certificate_json(found.leaf, now)
    items = [_certificate_item(secret, held, leaf, now), _key_item(held)]
    lists: list[AccountList] = []
    chain = None
    if found is not None:
        chain = chain_json(found, now)
        items += [_order_item(held.own), _chain_item(chain), _ca_item(held, found)]
        links = [
            (one["subject"] or "(no subject)", one["notAfter"], one["signature"])
            for one in chain["certificates"]
        ]
        lists.append(AccountList("Chain", ("Subject", "Expires", "Signed by"), links))
    urls = {} if found is None else urls_of(found.leaf)
    good = not any(one.mark is Mark.BAD for one in items)
    meta = secret["metadata"]
    return ObjectAccount(
        kind="Secret",
        namespace=str(meta.get("namespace") or ""),
        name=str(meta["name"]),
        good=good,
        state="its certificate can be used" if good else "its certificate can't be used as it is",
        head=[
            ("Type", text_of(secret, "type")),
            ("Entries", listed([f"{name} ({len(value)} bytes)" for name, value in held.entries.items()])),
            *_origin(meta.get("annotations") or {}),
            *([] if leaf is None else _fields(leaf)),
            *((name, listed(found)) for name, found in urls.items()),
        ],
        items=items,
        lists=lists,
        data={"certificate": leaf, "chain": chain, "urls": urls, "annotations": _annotations(meta)},
    )


def _held(secret: Object) -> _Held:
    entries = {name: _decoded(value) for name, value in sorted((secret.get("data") or {}).items())}
    problem = ca_problem = ""
    own: tuple[Certificate, ...] = ()
    cas: tuple[Certificate, ...] = ()
    if not entries.get(CERTIFICATE):
        problem = f"there is no {CERTIFICATE}" if CERTIFICATE not in entries else f"{CERTIFICATE} is empty"
    else:
        own, problem = _read(entries[CERTIFICATE], read_delivered)
    if entries.get(CA):
        cas, ca_problem = _read(entries[CA], read_bundle)
    return _Held(entries, own, cas, problem, ca_problem)


def _read(pem: bytes, read: Callable[[bytes], Bundle]) -> tuple[tuple[Certificate, ...], str]:
    if len(pem) > _MOST_BYTES:
        return (), f"it is larger than {_MOST_BYTES} bytes"
    try:
        found = read(pem)
    except X509Error as error:
        return (), str(error)
    return found.certificates, "; ".join(found.left_out)


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except ValueError:
        return b""


def _certificate_item(
    secret: Object, held: _Held, leaf: Mapping[str, Any] | None, now: datetime
) -> AccountItem:
    if leaf is None:
        return AccountItem("Certificate", Mark.BAD, shown(held.problem, 1200))
    end = held.own[0].not_valid_after_utc
    begin = held.own[0].not_valid_before_utc
    text = f"expires {leaf['notAfter']} ({until(end, now)})"
    if begin > now:
        return AccountItem("Certificate", Mark.BAD, f"it is valid only from {leaf['notBefore']} on; {text}")
    if end > now:
        more = f"; left out: {held.problem}" if held.problem else ""
        return AccountItem("Certificate", Mark.LOOK if more else Mark.GOOD, shown(text + more, 1200))
    meta = secret["metadata"]
    name = text_of(meta.get("annotations") or {}, f"{_ANNOTATIONS}certificate-name")
    cure = Advice("Have it issued again:", command=renew(name, meta["namespace"])) if name else None
    return AccountItem("Certificate", Mark.BAD, text, cure)


def _key_item(held: _Held) -> AccountItem:
    """Say whether the private key belongs to the certificate."""
    pem = held.entries.get(KEY)
    if not pem:
        return AccountItem("Private key", Mark.BAD, f"there is no {KEY}, or it is empty")
    try:
        key = read_private_key(pem)
    except EncryptedPrivateKey:
        return AccountItem("Private key", Mark.NOT_KNOWN, "it is encrypted, so that it can't be compared")
    except InvalidPrivateKey as error:
        return AccountItem("Private key", Mark.BAD, f"{KEY}: the private key {error}")
    known = decoded(held.own[0]) if held.own else None
    if known is None:
        return AccountItem("Private key", Mark.NOT_KNOWN, "there is no certificate to compare it with")
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) == known.public_key().public_bytes(*form):
        return AccountItem("Private key", Mark.GOOD, "it belongs to the certificate")
    return AccountItem(
        "Private key", Mark.BAD, "it does not belong to the certificate: a server can't use the pair"
    )


def _order_item(own: Sequence[Certificate]) -> AccountItem:
    """Say if each certificate of `tls.crt` is signed by the next, as TLS wants it (RFC 8446, 4.4.2)."""
    for number, (one, issuer) in enumerate(pairwise(own), start=1):
        if not signed_by(one, issuer):
            text = f"certificate {number} of {CERTIFICATE} is not signed by certificate {number + 1}"
            return AccountItem("Order", Mark.BAD, f"{text}: some clients refuse that")
    return AccountItem("Order", Mark.GOOD, f"{CERTIFICATE} has {len(own)}, from the leaf up")


def _chain_item(chain: Mapping[str, Any]) -> AccountItem:
    if not chain["holds"]:
        return AccountItem("Chain", Mark.BAD, shown(str(chain["problem"]), 1200))
    if chain["complete"]:
        return AccountItem("Chain", Mark.GOOD, "every signature holds, up to a root")
    return AccountItem(
        "Chain", Mark.LOOK, "every signature holds, up to the topmost CA known, which is no root"
    )


def _ca_item(held: _Held, found: Delivered) -> AccountItem:
    if not held.entries.get(CA):
        return AccountItem("CA", Mark.LOOK, f"there is no {CA}: clients need the CA from elsewhere")
    if not held.cas:
        return AccountItem("CA", Mark.BAD, f"{CA} can't be read: {shown(held.ca_problem, 1200)}")
    if found.chain is not None and not set(found.chain.cas) & set(held.cas):
        return AccountItem("CA", Mark.BAD, f"no certificate of {CA} stands in the chain")
    return AccountItem("CA", Mark.GOOD, f"{CA} has {len(held.cas)} that stand in the chain or beside it")


def _origin(annotations: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield which issuer and Certificate it is from, by cert-manager's annotations."""
    issuer = text_of(annotations, f"{_ANNOTATIONS}issuer-name")
    if issuer:
        kind = text_of(annotations, f"{_ANNOTATIONS}issuer-kind") or "Issuer"
        group = text_of(annotations, f"{_ANNOTATIONS}issuer-group") or "cert-manager.io"
        yield "Issuer", f'{kind} "{issuer}" of {group}'
    yield "Certificate", text_of(annotations, f"{_ANNOTATIONS}certificate-name")


def _annotations(meta: Mapping[str, Any]) -> dict[str, Any]:
    found = meta.get("annotations") or {}
    return {name: value for name, value in found.items() if name.startswith(_ANNOTATIONS)}


def _fields(leaf: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Subject", leaf["subject"] or "(empty)"),
        ("Names", listed(leaf["names"]) or "(none)"),
        ("Issued by", leaf["issuer"]),
        ("Serial", leaf["serial"]),
        ("Valid", f"{leaf['notBefore']} to {leaf['notAfter']}"),
        ("Key", leaf["key"]),
        ("Usages", listed([*leaf["keyUsages"], *leaf["extendedKeyUsages"]]) or "(none)"),
        ("CA", "yes" if leaf["isCA"] else "no"),
        ("SHA-256", leaf["sha256"]),
    ]


def urls_of(certificate: Certificate) -> dict[str, list[str]]:
    """Return the URLs in a certificate of its CRLs, of OCSP responders and of its CA; nothing is asked there.

    Source: RFC 5280, sections 4.2.1.13 and 4.2.2.1.
    """
    known = decoded(certificate)
    found: dict[str, list[str]] = {"CRL": [], "OCSP": [], "CA's certificate": []}
    if known is None:
        return found
    with suppress(x509.ExtensionNotFound, ValueError):
        points = known.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        found["CRL"] = [url for one in points for url in _urls(one.full_name or ())]
    with suppress(x509.ExtensionNotFound, ValueError):
        access = known.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
        for one in access:
            is_ocsp = one.access_method == AuthorityInformationAccessOID.OCSP
            found["OCSP" if is_ocsp else "CA's certificate"] += _urls([one.access_location])
    return found


def _urls(names: Sequence[x509.GeneralName]) -> list[str]:
    return [one.value for one in names if isinstance(one, x509.UniformResourceIdentifier)]
