"""URLs that clients follow: those that issuers write into certificates, and those in CAs. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from issuer.pki.authorities.chains import access_urls, crl_urls
from issuer.pki.authorities.parts import UNDECODABLE, spki_sha256
from issuer.pki.health.facts import IssuerFacts, MountFacts, NotReadable
from issuer.x509.chains.links import signed_by


class PointerKind(StrEnum):
    """Kinds of URLs, each with the check that judges it."""

    AUTHORITY = "aia_url"
    REVOCATIONS = "crl_url"
    OCSP = "ocsp_url"
    ACME = "enable_acme_issuance"


FIELDS: Final[Mapping[PointerKind, str]] = {
    PointerKind.AUTHORITY: "issuing_certificates",
    PointerKind.REVOCATIONS: "crl_distribution_points",
    PointerKind.OCSP: "ocsp_servers",
}


@dataclass(frozen=True, slots=True)
class MountDefault:
    """The issuer that a mount signs with by default, beside another one of the mount.

    Paths that name no issuer, such as `ca` and `crl`, answer for it alone. `is_followed` tells that the other
    one is younger and that no certificate of it was seen, as while a rotation is prepared.
    """

    label: str
    certificate: x509.Certificate
    is_followed: bool


@dataclass(frozen=True, slots=True)
class Pointer:
    """One URL: `authority` is the CA that it must answer for; `is_offline` if no mount here has its key.

    `from_certificate` tells that a CA certificate carries it, so that it can't be changed any more;
    `carriers` are those certificates. `is_own` tells that the issuer's settings have it, not the mount's.
    `default` is the mount's default issuer, where that is another than the URL's.
    """

    kind: PointerKind
    url: str
    mount: str
    issuer: str
    authority: x509.Certificate
    is_offline: bool = False
    from_certificate: bool = False
    carriers: tuple[x509.Certificate, ...] = field(default=(), repr=False)
    is_own: bool = False
    default: MountDefault | None = None


@dataclass(frozen=True, slots=True)
class FetchedAnswer:
    """The answer of one URL, or the `problem` that kept it away."""

    status: int = 0
    body: bytes = field(default=b"", repr=False)
    problem: str = ""


def pointers_of(mount: MountFacts, keys_online: frozenset[str]) -> Iterator[Pointer]:
    """Yield the URLs of a mount's issuers, each once. `keys_online` are SHA-256s of keys that Vault holds.

    Raises NotReadable.
    """
    found: dict[tuple[PointerKind, str, str], Pointer] = {}
    for issuer in mount.keyed():
        for pointer in (*_written(mount, issuer), *_carried(mount, issuer, keys_online)):
            key = (pointer.kind, pointer.url, spki_sha256(pointer.authority))
            first = found.setdefault(key, pointer)
            found[key] = replace(first, carriers=tuple(dict.fromkeys(first.carriers + pointer.carriers)))
    yield from found.values()


def urls_of(mount: MountFacts, issuer: IssuerFacts) -> tuple[Mapping[str, Any], bool]:
    """Return the URL fields that count for an issuer, and True if they are its own and not the mount's.

    Raises NotReadable.
    """
    own = any(issuer.entry.get(field) for field in FIELDS.values())
    return (issuer.entry, True) if own else (mount.data("config/urls"), False)


def _written(mount: MountFacts, issuer: IssuerFacts) -> Iterator[Pointer]:
    if "issuing-certificates" not in issuer.usages:
        return
    fields, own = urls_of(mount, issuer)
    for kind, name in FIELDS.items():
        for url in _texts(fields.get(name)):
            filled = _filled(url, mount, issuer)
            yield Pointer(
                *(kind, filled, mount.path, issuer.label, issuer.certificate),
                is_own=own,
                default=_default_beside(mount, issuer),
            )
    cluster = str(mount.data("config/cluster").get("path") or "")
    if mount.data("config/acme").get("enabled") and cluster.startswith("https://"):
        url = f"{cluster.rstrip('/')}/acme/directory"
        yield Pointer(PointerKind.ACME, url, mount.path, "", issuer.certificate)


def _default_beside(mount: MountFacts, issuer: IssuerFacts) -> MountDefault | None:
    try:
        default = mount.default()
    except NotReadable:
        return None
    if default is None or default.identifier == issuer.identifier:
        return None
    begins = issuer.certificate.not_valid_before_utc
    is_younger = begins >= default.certificate.not_valid_before_utc
    has_signed = any(signed_by(one, issuer.certificate) for one in mount.leaves)
    return MountDefault(default.label, default.certificate, is_younger and not has_signed)


def _carried(mount: MountFacts, issuer: IssuerFacts, keys_online: frozenset[str]) -> Iterator[Pointer]:
    for lower, upper in zip(issuer.chain, issuer.chain[1:], strict=False):
        offline = spki_sha256(upper) not in keys_online
        for kind, urls in _urls_in(lower):
            for url in urls:
                yield Pointer(
                    *(kind, url, mount.path, issuer.label, upper, offline),
                    from_certificate=True,
                    carriers=(lower,),
                )


def _urls_in(certificate: x509.Certificate) -> Sequence[tuple[PointerKind, list[str]]]:
    try:
        return (
            (PointerKind.AUTHORITY, access_urls(certificate, AuthorityInformationAccessOID.CA_ISSUERS)),
            (PointerKind.OCSP, access_urls(certificate, AuthorityInformationAccessOID.OCSP)),
            (PointerKind.REVOCATIONS, crl_urls(certificate)),
        )
    except UNDECODABLE:  # a check of the mount says so
        return ()


def _filled(url: str, mount: MountFacts, issuer: IssuerFacts) -> str:
    """Return a URL as Vault fills it when it signs."""
    cluster = mount.data("config/cluster") if "{{" in url else {}
    for name, value in (
        ("issuer_id", issuer.identifier),
        ("cluster_path", str(cluster.get("path") or "")),
        ("cluster_aia_path", str(cluster.get("aia_path") or "")),
    ):
        url = url.replace(f"{{{{{name}}}}}", value)
    return url


def _texts(value: object) -> Sequence[str]:
    if isinstance(value, str):
        return [one.strip() for one in value.split(",") if one.strip()]
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else []
