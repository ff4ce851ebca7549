"""The names of a request, for CAs that are told them beside the CSR. Pure."""

from __future__ import annotations

from issuer.requests.reasons import RequestFailure
from issuer.signing.outcomes import Failed
from issuer.x509.contents import Contents, Place, RequestPart
from issuer.x509.names import COMMON_NAME
from issuer.x509.request import request_contents


def asked_names(csr_pem: str) -> Contents:
    """Return the names of a CSR that was read before. Raises Failed for names that a CA could read otherwise.

    Such as a comma in a DNS name: a CA would split it into two names that weren't requested.
    """
    try:
        contents = request_contents(csr_pem)
    except ValueError as error:
        raise Failed(
            RequestFailure.INVALID_REQUEST, "The certificate request can't be read, so nothing was signed."
        ) from error
    if contents.defects:
        raise Failed(
            RequestFailure.INVALID_NAME,
            f"The certificate request has a name that {contents.defects[0].problem}.",
        )
    return contents


def texts(contents: Contents, part: RequestPart) -> list[str]:
    """Return the names of one kind, in the order and spelling of the CSR."""
    return _texts(contents, (part, ""))


def common_name(contents: Contents) -> str:
    """Return the common name, empty if there is none; of several the last, as Go's x509 reads them."""
    found = _texts(contents, (RequestPart.ATTRIBUTE, COMMON_NAME))
    return found[-1] if found else ""


def _texts(contents: Contents, place: Place) -> list[str]:
    return [value.text for value in contents.values.get(place, ())]
