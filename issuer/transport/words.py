"""Words of one kind of server, for messages of calls to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from issuer.servers.allowed import IssuerWords


@dataclass(frozen=True, slots=True)
class ServerWords:
    """Names of a product, and of the fields of an issuer's spec that say how it is reached.

    Attributes:
        product: what people call the server.
        example: an address as it should be written.
        trust_fields: the fields that name the CAs of its TLS.
        issuers: for refusals by the operator's list.
    """

    product: str
    example: str
    trust_fields: str
    issuers: IssuerWords


ANY_SERVER: Final = ServerWords(
    product="the server",
    example="https://ca.example.com",
    trust_fields="its CA bundle",
    issuers=IssuerWords("issuers of a namespace", "cluster issuers", "the address"),
)
"""For servers that no issuer names."""
