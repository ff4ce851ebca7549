"""Files that follow from a ledger: certificates, CRLs, and what is published of them."""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.manifests.text import to_yaml
from issuer.root.record.ledger import RootLedger

LEDGER: Final = "ledger.jsonl"
KEY: Final = "root.key"
ROOT: Final = "root.pem"
ISSUED: Final = "issued"
PUBLIC: Final = "public"
CRL_DER: Final = f"{PUBLIC}/root.crl"
CONFIG_MAP: Final = f"{PUBLIC}/configmap.yaml"


def pem_of(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM."""
    return certificate.public_bytes(Encoding.PEM).decode()


def issued_path(certificate: x509.Certificate) -> str:
    """Return the path of a signed CA's certificate in the folder."""
    return f"{ISSUED}/{certificate.serial_number:x}.pem"


def derived_files(ledger: RootLedger) -> dict[str, bytes]:
    """Return all files that follow from a ledger, by their paths in the folder."""
    root = pem_of(ledger.root)
    found = {ROOT: root.encode()}
    for one in ledger.signed:
        found[issued_path(one.certificate)] = (pem_of(one.certificate) + root).encode()
    return {**found, **public_files(ledger)}


def public_files(ledger: RootLedger) -> dict[str, bytes]:
    """Return what any web server, and a ConfigMap, may publish.

    Certificates and CRLs are DER where URLs of certificates point to them (RFC 5280 sections 4.2.1.13 and
    4.2.2.1), and PEM besides.
    """
    root = pem_of(ledger.root).encode()
    found = {
        f"{PUBLIC}/root.crt": ledger.root.public_bytes(Encoding.DER),
        f"{PUBLIC}/root.pem": root,
    }
    if ledger.crl is not None:
        found[CRL_DER] = ledger.crl.public_bytes(Encoding.DER)
        found[f"{PUBLIC}/root.crl.pem"] = ledger.crl.public_bytes(Encoding.PEM)
    found[CONFIG_MAP] = _config_map(ledger.settings.config_map, tuple(found.items())).encode()
    return found


@lru_cache(maxsize=32)
def _config_map(name: str, published: tuple[tuple[str, bytes], ...]) -> str:
    """Return the ConfigMap as YAML; kept, as a command asks several times, and long texts take long."""
    files = dict(published)
    texts = {"ca.crt": files[f"{PUBLIC}/root.pem"].decode()}
    if f"{PUBLIC}/root.crl.pem" in files:
        texts["ca.crl"] = files[f"{PUBLIC}/root.crl.pem"].decode()
    names = {"root.crt": f"{PUBLIC}/root.crt", "root.crl": CRL_DER}
    binary = {
        key: base64.b64encode(files[path]).decode("ascii") for key, path in names.items() if path in files
    }
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": texts,
        "binaryData": binary,
    }
    return to_yaml(manifest)
