"""The parameters sent beside a CSR, by signing mode. Pure.

Source: https://developer.hashicorp.com/vault/api-docs/secret/pki#sign-certificate, #sign-verbatim and
#sign-intermediate; answers of OpenBao 2.7.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from issuer.requests.reasons import RequestFailure
from issuer.signing.outcomes import Failed
from issuer.signing.signer import SigningRequest
from issuer.vault.paths import Mode
from issuer.x509.contents import COMMON_NAME, Contents, Place, RequestPart
from issuer.x509.request import request_contents
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
    try:
        contents = request_contents(request.csr_pem)
    except ValueError as error:
        raise Failed(
            RequestFailure.INVALID_REQUEST, "The certificate request can't be read, so nothing was signed."
        ) from error
    if contents.defects:
        # Such as a comma in a DNS name: Vault would split it into two names that weren't requested.
        raise Failed(
            RequestFailure.INVALID_NAME,
            f"The certificate request has a name that {contents.defects[0].problem}.",
        )
    dns, uris = _texts(contents, (RequestPart.DNS, "")), _texts(contents, (RequestPart.URI, ""))
    common_names = _texts(contents, (RequestPart.ATTRIBUTE, COMMON_NAME))
    return {
        # The last one, as Go's x509 reads a subject with several.
        "common_name": common_names[-1] if common_names else "",
        "alt_names": ",".join(dns),
        "ip_sans": ",".join(_texts(contents, (RequestPart.IP, ""))),
        "uri_sans": uris if any("," in uri for uri in uris) else ",".join(uris),
        "exclude_cn_from_sans": "true",
    }


def _texts(contents: Contents, place: Place) -> list[str]:
    return [value.text for value in contents.values.get(place, ())]
