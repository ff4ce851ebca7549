"""A Vault in which nothing is wrong, as `pki health` reads it; tests then change what its paths hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from issuer.pki.file.reading import LoadedFile, load_texts
from issuer.pki.health.checks.mounts import VISIBLE
from issuer.pki.health.fetching import URLReader
from issuer.pki.health.finding import HealthReport
from issuer.pki.health.parameters import HealthParameters
from issuer.pki.health.pointers import FetchedAnswer
from issuer.pki.health.running import HealthInput, HealthRun
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead

NOW: Final = datetime.now(UTC).replace(microsecond=0)
SITE: Final = "http://pki.example.test"
FILE: Final = """\
foundation:
  mounts:
    pki: {tune: {max_lease_ttl: 87600h}, defaultIssuer: root-1, roles: {old: {}}}
  authorities:
    root-1: {mount: pki, subject: {commonName: Root}, lifetime: 87600h}
  policies:
    sign: {generate: {sign: [int/web]}}
    written: {text: 'path "int/sign/web" {}'}
    ca: {generate: {signIntermediate: [pki]}}
  auth:
    kubernetes: {type: kubernetes, roles: {r: {}}}
    approle: {type: approle, roles: {r: {}}}
    cert: {type: cert, roles: {r: {}}}
    jwt: {type: jwt, roles: {r: {}}}
mounts:
  int:
    tune: {max_lease_ttl: 43800h}
    defaultIssuer: int-1
    roles:
      web: {allowed_domains: [example.test], max_ttl: 720h, ttl: 24h}
authorities:
  int-1: {mount: int, signedBy: root-1, subject: {commonName: Int}, lifetime: 43800h, maxPathLength: 0}
"""
_URLS: Final = {
    AuthorityInformationAccessOID.CA_ISSUERS: "ca",
    AuthorityInformationAccessOID.OCSP: "ocsp",
}


@dataclass(frozen=True, slots=True)
class Maker:
    """A CA: its key signs certificates and lists."""

    name: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> str:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def crl(self, start: float, end: float, revoked: Iterable[x509.Certificate] = ()) -> bytes:
        """A list between two days from now, DER."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW + timedelta(days=start))
            .next_update(NOW + timedelta(days=end))
        )
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(NOW)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.DER)


def made(
    name: str,
    days: float,
    signer: Maker | None = None,
    *,
    ca: bool = True,
    begin: float = -1,
    permitted: str = "",
    points: bool = False,
) -> Maker:
    """Return a CA, or a leaf, that ends in some days; `points` puts the URLs of its signer into it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if signer is None else signer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW + timedelta(days=begin))
        .not_valid_after(NOW + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if permitted:
        names = x509.NameConstraints([x509.DNSName(permitted)], None)
        builder = builder.add_extension(names, critical=True)
    if points and signer is not None:
        access = [
            x509.AccessDescription(oid, x509.UniformResourceIdentifier(f"{SITE}/{signer.name}/{path}"))
            for oid, path in _URLS.items()
        ]
        point = x509.UniformResourceIdentifier(f"{SITE}/{signer.name}/crl")
        builder = builder.add_extension(x509.AuthorityInformationAccess(access), critical=False)
        listed = x509.CRLDistributionPoints([x509.DistributionPoint([point], None, None, None)])
        builder = builder.add_extension(listed, critical=False)
    return Maker(name, builder.sign(key if signer is None else signer.key, hashes.SHA256()), key)


@dataclass(slots=True)
class FakeVault:
    """A Vault by what each path holds, what each URL answers, and Vault's clock minus ours in seconds."""

    paths: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    urls: dict[str, FetchedAnswer] = field(default_factory=dict)
    skew: float | None = 0.2
    thresholds: dict[str, dict[str, Any]] = field(default_factory=dict)
    text: str = FILE
    """The file that it is held against; "" for none."""

    def mount(self, path: str) -> None:
        """Add a PKI mount in order, without issuers."""
        urls = {
            "issuing_certificates": [f"{SITE}/{path}/ca"],
            "crl_distribution_points": [f"{SITE}/{path}/crl"],
        }
        self.paths |= {
            f"{path}/roles/": {"keys": []},
            f"{path}/issuers/": {"key_info": {}},
            f"{path}/certs/": {"keys": []},
            f"{path}/config/acme": {"enabled": False},
            f"{path}/config/auto-tidy": {"enabled": True, "interval_duration": 43200, "pause_duration": "0s"},
            f"{path}/config/cluster": {},
            f"{path}/config/crl": {"auto_rebuild": True},
            f"{path}/config/issuers": {"default": ""},
            f"{path}/config/urls": urls,
            f"{path}/tidy-status": {"time_finished": NOW.timestamp() - 60},
            f"sys/mounts/{path}/tune": {
                "max_lease_ttl": 43800 * 3600,
                "passthrough_request_headers": ["If-Modified-Since"],
                "allowed_response_headers": ["Last-Modified"],
                **{name: list(fields) for name, fields in VISIBLE.items()},
            },
        }

    def issuer(self, mount: str, maker: Maker, *above: Maker, name: str = "", **fields: Any) -> None:
        """Add an issuer with a key, below the CAs `above`; the first of a mount is the default."""
        identifier, path = f"id-{maker.name}", f"{mount}/issuer/id-{maker.name}"
        known = self.paths[f"{mount}/issuers/"]["key_info"]
        known[identifier] = {"issuer_name": name, "key_id": f"key-{maker.name}"}
        self.paths[path] = {
            "certificate": maker.pem,
            "ca_chain": [one.pem for one in (maker, *above)],
            "usage": "read-only,issuing-certificates,crl-signing,ocsp-signing",
            "leaf_not_after_behavior": "err",
            **fields,
        }
        self.paths[f"{mount}/key/key-{maker.name}"] = {}
        self.list(mount, maker, -1, 2)
        default = self.paths[f"{mount}/config/issuers"]
        default["default"] = default["default"] or identifier

    def list(self, mount: str, maker: Maker, start: float, end: float) -> None:
        """Set the CRL of an issuer, which lasts between two days from now."""
        found = x509.load_der_x509_crl(maker.crl(start, end)).public_bytes(Encoding.PEM).decode()
        self.paths[f"{mount}/issuer/id-{maker.name}/crl"] = {"crl": found}

    def role(self, mount: str, name: str, **fields: Any) -> None:
        """Add a role."""
        self.paths[f"{mount}/roles/"]["keys"].append(name)
        self.paths[f"{mount}/roles/{name}"] = fields

    def login(self, method: str, folder: str, **fields: Any) -> None:
        """Set the one role of an auth method."""
        self.paths[f"auth/{method}/{folder}/"] = {"keys": ["r"]}
        self.paths[f"auth/{method}/{folder}/r"] = fields

    async def read(self, path: str) -> PathRead:
        """Return what a path holds, as VaultCalls does."""
        if path in self.refused:
            return PathRead(refused=self.refused[path])
        return PathRead(self.paths.get(path))

    async def read_all(self, paths: Iterable[str]) -> Mapping[str, PathRead]:
        """Return what paths hold."""
        return {path: await self.read(path) for path in paths}

    async def get(self, url: str) -> FetchedAnswer:
        """Return what a URL answers, as URLReader does."""
        return self.urls.get(url, FetchedAnswer(404))

    async def post_ocsp(self, url: str, request: bytes) -> FetchedAnswer:
        """Return what a URL answers."""
        return await self.get(url)

    async def examined(self, *, fetch: bool = True) -> HealthReport:
        """Return the report of a run on all of it, held against its file."""
        given = HealthInput(HealthParameters(self.thresholds))
        if self.text:
            loaded = file(self.text)
            given = replace(given, file=loaded.file, places=loaded.places)
        run = HealthRun(cast("VaultCalls", self), given, lambda _: None, lambda: NOW)
        return await run.run(self.skew, cast("URLReader", self) if fetch else None)


ROOT: Final = made("root", 3650)
INT: Final = made("int", 1825, ROOT)


def healthy() -> FakeVault:
    """Return a Vault with a root and an intermediate CA, in which nothing is wrong."""
    one = FakeVault()
    for mount in ("pki", "int"):
        one.mount(mount)
    one.paths["sys/mounts/pki/tune"]["max_lease_ttl"] = 87600 * 3600
    one.issuer("pki", ROOT, name="root-1")
    one.issuer("int", INT, ROOT, name="int-1")
    one.role("int", "web", allowed_domains=["example.test"], max_ttl=720 * 3600, ttl=24 * 3600)
    for mount, maker in (("pki", ROOT), ("int", INT)):
        der = maker.certificate.public_bytes(Encoding.DER)
        one.urls |= {
            f"{SITE}/{mount}/ca": FetchedAnswer(200, der),
            f"{SITE}/{mount}/crl": FetchedAnswer(200, maker.crl(-1, 30)),
        }
    kinds = {"kubernetes": "role", "approle": "role", "cert": "certs", "jwt": "role"}
    one.paths["sys/auth"] = {f"{kind}/": {"type": kind} for kind in kinds}
    common = {"token_policies": ["sign"], "token_ttl": 3600}
    names = {"bound_service_account_names": ["a"], "bound_service_account_namespaces": ["a"]}
    one.login("kubernetes", "role", **common, **names)
    one.login("approle", "role", **common, bind_secret_id=True, secret_id_ttl=3600)
    one.login("cert", "certs", **common, allowed_dns_sans=["a.example.test"])
    one.login("jwt", "role", **common, bound_subject="a")
    one.paths["sys/policies/acl/sign"] = {"policy": 'path "int/sign/web" { capabilities = ["update"] }'}
    return one


@cache
def file(text: str = FILE) -> LoadedFile:
    """Return a file, loaded; nobody changes it."""
    return load_texts([("pki.yaml", text.encode())], {}, Path())
