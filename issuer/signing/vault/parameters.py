"""The parameters sent beside a CSR, by signing mode. Pure.

Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#sign-certificate, #sign-verbatim and
#sign-intermediate; answers of OpenBao 2.7.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from issuer.signing.contents import asked_names, common_name, texts
from issuer.signing.signer import SigningRequest
from issuer.vault.paths import Mode
from issuer.x509.contents import RequestPart
from issuer.x509.usages import read_usages

_KEY_USAGES: Final = {
    "digital signature": "DigitalSignature",
    "content commitment": "ContentCommitment",
    "key encipherment": "KeyEncipherment",
    "data encipherment": "DataEncipherment",
    "key agreement": "KeyAgreement",
    "cert sign": "CertSign",
    "crl sign": "CRLSign",
    "encipher only": "EncipherOnly",
    "decipher only": "DecipherOnly",
}


def parameters(request: SigningRequest, mode: Mode) -> dict[str, Any]:
    """Return everything but the CSR, for one request on a path of that mode. Raises Failed."""
    made = {Mode.SIGN: _names, Mode.VERBATIM: _usages, Mode.INTERMEDIATE: _authority}[mode](request)
    if request.duration is not None:
        made["ttl"] = str(_seconds(request.duration))
    return made


def _seconds(duration: timedelta) -> int:
    """Return whole seconds, as Vault takes them: rounded down, so that no life exceeds the request, and at
    least 1."""
    return max(1, int(duration.total_seconds()))


def _usages(request: SigningRequest) -> dict[str, Any]:
    """Return usages for a CSR that has none of its own; its own win.

    Sent also when empty, since Vault's defaults would add usages that weren't requested.
    """
    asked = read_usages(request.usages)
    return {
        "key_usage": sorted(_KEY_USAGES[usage] for usage in asked.key),
        "ext_key_usage": [],
        "ext_key_usage_oids": sorted(asked.extended),
    }


def _authority(request: SigningRequest) -> dict[str, Any]:
    """Return parameters of a CA certificate.

    Without `use_csr_values` Vault would keep only the common name. It ignores a path length in the CSR. The
    usages are for a CSR that names none, as a Kubernetes requester's often does; its own would win.
    """
    return {"use_csr_values": True, "max_path_length": request.path_length, **_usages(request)}


def _names(request: SigningRequest) -> dict[str, Any]:
    """Return the names that cert-manager copies from the CSR, for roles that don't take
    their names from it."""
    contents = asked_names(request.csr_pem)
    uris = texts(contents, RequestPart.URI)
    return {
        "common_name": common_name(contents),
        "alt_names": ",".join(texts(contents, RequestPart.DNS)),
        "ip_sans": ",".join(texts(contents, RequestPart.IP)),
        "uri_sans": uris if any("," in uri for uri in uris) else ",".join(uris),
        "exclude_cn_from_sans": "true",
    }
