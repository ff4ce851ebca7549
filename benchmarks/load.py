"""What the systems are given to do: requests and Certificates, the same for all but for the issuer's name."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from benchmarks.api import Api, Object
from testbed import samples
from testbed.vaultpki import DOMAIN
from tests.builders import csr_with

REQUESTS = "/apis/cert-manager.io/v1/namespaces/{}/certificaterequests"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/{}/certificates"
# Who asks: cert-manager, as in life. With its webhook these fields are stamped over what is sent.
REQUESTER = "system:serviceaccount:cert-manager:cert-manager"
GROUPS = ["system:serviceaccounts", "system:serviceaccounts:cert-manager", "system:authenticated"]

CsrMaker = Callable[[str], bytes]


@cache
def _ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 4096)


def ec_csr(name: str) -> bytes:
    """EC P-256 and one DNS name. All share one key: making keys isn't what is measured."""
    return csr_for(f"{name}.{DOMAIN}")


def csr_for(host: str) -> bytes:
    """The same for any DNS name."""
    return csr_with(x509.SubjectAlternativeName([x509.DNSName(host)]), key=_ec_key())


@cache
def one_csr() -> bytes:
    """A CSR that many may have in common: making it once is enough where nobody reads it."""
    return ec_csr("past")


def rsa_csr(name: str) -> bytes:
    """RSA 4096 and one DNS name."""
    names = x509.SubjectAlternativeName([x509.DNSName(f"{name}.{DOMAIN}")])
    return csr_with(names, key=_rsa_key())


def many_names_csr(name: str) -> bytes:
    """EC P-256 and 100 DNS names."""
    found = [x509.DNSName(f"{name}-{number:03d}.{DOMAIN}") for number in range(100)]
    return csr_with(x509.SubjectAlternativeName(found), key=_ec_key())


def request(name: str, namespace: str, issuer: Mapping[str, str], csr: CsrMaker = ec_csr) -> Object:
    """A CertificateRequest as cert-manager makes it for a Certificate of a web server."""
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "CertificateRequest",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "issuerRef": dict(issuer),
            "request": base64.b64encode(csr(name)).decode(),
            "usages": ["digital signature", "key encipherment", "server auth"],
            "duration": "24h",
            "username": REQUESTER,
            "groups": GROUPS,
        },
    }


def requests(
    count: int, namespace: str, issuers: Sequence[Mapping[str, str]], csr: CsrMaker = ec_csr
) -> list[Object]:
    """Requests for each of the issuers in turn."""
    return [
        request(f"request-{number:05d}", namespace, issuers[number % len(issuers)], csr)
        for number in range(count)
    ]


def certificate(name: str, namespace: str, issuer: Mapping[str, str]) -> Object:
    """A Certificate of a web server, EC P-256, with a new key at each renewal."""
    return samples.certificate(
        name,
        namespace,
        issuer["name"],
        [f"{name}.{DOMAIN}"],
        usages=["digital signature", "key encipherment", "server auth"],
        issuerRef=dict(issuer),
    )


async def create(api: Api, objects: Sequence[Object]) -> None:
    """Create requests or Certificates, 16 at once."""
    paths = {"CertificateRequest": REQUESTS, "Certificate": CERTIFICATES}
    await api.each(
        "POST", [(paths[one["kind"]].format(one["metadata"]["namespace"]), one) for one in objects]
    )


async def clear(api: Api, namespace: str) -> None:
    """Delete the namespace's Certificates, requests and Secrets."""
    for path in (CERTIFICATES, REQUESTS, "/api/v1/namespaces/{}/secrets"):
        while (await api.call("GET", f"{path.format(namespace)}?limit=1"))["items"]:
            await api.call("DELETE", path.format(namespace))
