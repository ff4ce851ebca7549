"""Reads all that the checks look at: PKI mounts, roles of auth methods and their policies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from cryptography import x509

from issuer.pki.authorities.parts import UNDECODABLE, is_ca
from issuer.pki.errors import PkiError
from issuer.pki.health.facts import AccessFacts, AuthRoleFacts, IssuerFacts, MountFacts
from issuer.pki.resources.auth import ROLE_FOLDER
from issuer.pki.resources.mounts import AUTH, SECRETS
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.server.tokens import refusal_of

CONFIGS: Final = ("acme", "auto-tidy", "cluster", "crl", "issuers", "urls")
MAX_ROLES: Final = 500
"""Roles that are read of one mount or auth method."""
_BATCH: Final = 100


async def pki_mounts_of(calls: VaultCalls) -> list[str]:
    """Return the paths of all PKI mounts. Raises PkiError if the mounts may not be listed."""
    tables = await calls.read(SECRETS)
    if tables.refused is not None:
        remedy = "so the PKI mounts aren't known: name them by --mount or -f"
        raise await refusal_of(calls, SECRETS, tables.refused, remedy)
    entries = tables.data or {}
    return sorted(
        path.removesuffix("/")
        for path, entry in entries.items()
        if isinstance(entry, Mapping) and entry.get("type") == "pki"
    )


async def check_types(calls: VaultCalls, paths: Iterable[str]) -> None:
    """Raise PkiError for a mount of another engine, of which each check would find nothing.

    Where the mounts may not be listed that isn't known.
    """
    tables = (await calls.read(SECRETS)).data or {}
    for path in paths:
        entry = tables.get(f"{path}/")
        kind = entry.get("type") if isinstance(entry, Mapping) else "pki"
        if kind != "pki":
            there = ", ".join(await pki_mounts_of(calls)) or "none"
            raise PkiError(f"{path} is of type {kind}, and no PKI mount; of these there are: {there}")


async def gather_mount(calls: VaultCalls, path: str, certificates: int) -> MountFacts:
    """Read one PKI mount; up to `certificates` leaves of it, if it has a root. Raises PkiError."""
    first = [f"{path}/{one}/" for one in ("issuers", "roles", "certs")]
    first += [f"{path}/config/{one}" for one in CONFIGS]
    first += [f"sys/mounts/{path}/tune", f"{path}/tidy-status"]
    try:
        reading = VaultReading(await calls.read_all(first))
    except PkiError as error:  # Vault answers 400, of which its words tell nobody anything
        tables = (await calls.read(SECRETS)).data
        if tables is None or f"{path}/" in tables:
            raise
        said = f"There is no mount {path}; make it first (pki apply), or name another by --mount"
        raise PkiError(said) from error
    info = (reading.data(f"{path}/issuers/") or {}).get("key_info") or {}
    roles = [str(one) for one in (reading.data(f"{path}/roles/") or {}).get("keys") or ()]
    wanted = [f"{path}/roles/{one}" for one in roles[:MAX_ROLES]]
    for identifier, known in info.items():
        wanted.append(f"{path}/issuer/{identifier}")
        if known.get("key_id"):
            wanted += [f"{path}/issuer/{identifier}/{one}" for one in ("crl", "crl/delta")]
            wanted.append(f"{path}/key/{known['key_id']}")
    reading = reading.with_more(await _lenient(calls, wanted))
    odd = {one: PathRead(refused=why) for one in wanted if (why := _undecodable(one, reading))}
    reading = reading.with_more(odd)
    issuers = tuple(_issuers(path, info, reading))
    serials = [str(one) for one in (reading.data(f"{path}/certs/") or {}).get("keys") or ()]
    leaves: tuple[x509.Certificate, ...] = ()
    if any(one.is_root for one in issuers):
        leaves = await _leaves(calls, path, serials, certificates)
    return MountFacts(path, reading, issuers, leaves)


async def gather_access(
    calls: VaultCalls, methods: Callable[[str], bool], policies: Iterable[str]
) -> AccessFacts:
    """Read the roles of the auth methods that `methods` takes by path, the policies of those, and others."""
    table = await calls.read(AUTH)
    if table.refused is not None:
        return AccessFacts(refused={AUTH: table.refused})
    kinds = {
        path.removesuffix("/"): str(entry.get("type"))
        for path, entry in (table.data or {}).items()
        if isinstance(entry, Mapping) and entry.get("type") in ROLE_FOLDER
    }
    kinds = {path: kind for path, kind in kinds.items() if methods(path)}
    lists = {f"auth/{path}/{ROLE_FOLDER[kind]}/": (path, kind) for path, kind in kinds.items()}
    reading = VaultReading(await _lenient(calls, lists))
    wanted: dict[str, tuple[str, str, str]] = {}
    for folder, (path, kind) in lists.items():
        for name in ((reading.data(folder) or {}).get("keys") or ())[:MAX_ROLES]:
            wanted[f"{folder}{name}"] = (path, kind, str(name))
    reading = reading.with_more(await _lenient(calls, wanted))
    roles = tuple(
        AuthRoleFacts(method, kind, name, path, reading.data(path) or {})
        for path, (method, kind, name) in wanted.items()
        if reading.data(path) is not None
    )
    named = {one for role in roles for one in role.policies} | set(policies)
    paths = [f"sys/policies/acl/{one}" for one in sorted(named - {"root", "default"})]
    reading = reading.with_more(await _lenient(calls, paths))
    texts = {
        path.rpartition("/")[2]: str(data.get("policy", ""))
        for path in paths
        if (data := reading.data(path)) is not None
    }
    return AccessFacts(roles, texts, reading.refused)


async def _lenient(calls: VaultCalls, paths: Iterable[str]) -> Mapping[str, PathRead]:
    """Read paths; one that fails by itself is told as not readable, and the others count."""
    try:
        return await calls.read_all(paths)
    except PkiError:
        return {path: await _one(calls, path) for path in paths}


async def _one(calls: VaultCalls, path: str) -> PathRead:
    try:
        return await calls.read(path)
    except PkiError as error:
        return PathRead(refused=str(error))


def _issuers(path: str, info: Mapping[str, Any], reading: VaultReading) -> Iterator[IssuerFacts]:
    for identifier, known in info.items():
        entry = reading.data(f"{path}/issuer/{identifier}")
        if entry is None:
            continue
        yield IssuerFacts(
            identifier=str(identifier),
            name=str(known.get("issuer_name") or ""),
            key_id=str(known.get("key_id") or ""),
            certificate=x509.load_pem_x509_certificate(str(entry["certificate"]).encode()),
            entry=entry,
            crl=_list(reading.data(f"{path}/issuer/{identifier}/crl")),
            delta=_list(reading.data(f"{path}/issuer/{identifier}/crl/delta")),
        )


def _undecodable(path: str, reading: VaultReading) -> str:
    """Return why the certificate of an issuer can't be read, "" if it can: the others count all the same."""
    pem = (reading.data(path) or {}).get("certificate")
    try:
        if pem is not None:
            x509.load_pem_x509_certificate(str(pem).encode())
    except UNDECODABLE as error:
        return f"its certificate can't be decoded: {error}"
    return ""


def _list(data: Mapping[str, Any] | None) -> x509.CertificateRevocationList | None:
    text = str((data or {}).get("crl") or "")
    return x509.load_pem_x509_crl(text.encode()) if text else None


async def _leaves(
    calls: VaultCalls, path: str, serials: Sequence[str], most: int
) -> tuple[x509.Certificate, ...]:
    found: list[x509.Certificate] = []
    for start in range(0, len(serials), _BATCH):
        if len(found) >= most:
            break
        paths = [f"{path}/cert/{one}" for one in serials[start : start + _BATCH]]
        for read in (await _lenient(calls, paths)).values():
            if read.data is not None:
                try:
                    certificate = x509.load_pem_x509_certificate(str(read.data["certificate"]).encode())
                    if not is_ca(certificate):
                        found.append(certificate)
                except UNDECODABLE:
                    continue  # no CA of Vault's made it
    return tuple(found[:most])
