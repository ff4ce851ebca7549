"""One step-ca server: a connection by https to its root."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from yarl import URL

from issuer.servers.allowed import IssuerWords
from issuer.transport.connection import ServerConnection
from issuer.transport.errors import InvalidConnection
from issuer.transport.words import ServerWords
from issuer.x509.encoding.pem import write_pem

STEP_WORDS: Final = ServerWords(
    product="step-ca",
    example="https://ca.example.com:9000",
    trust_fields="caBundle",
    issuers=IssuerWords("StepIssuers", "StepClusterIssuers", "url"),
)


_DER: Final = b"\x30"  # a SEQUENCE, as every certificate begins


def bundle_pem(bundle: bytes | None) -> bytes | None:
    """Return a CA bundle as PEM; step-issuer takes one certificate as DER, too."""
    if bundle is None or not bundle.startswith(_DER) or b"-----BEGIN" in bundle:
        return bundle
    return write_pem("CERTIFICATE", bundle).encode()


@dataclass(frozen=True, slots=True)
class StepConnection(ServerConnection):
    """One step-ca server, as `spec.url` of an issuer names it."""

    words: ClassVar[ServerWords] = STEP_WORDS

    def url(self) -> URL:
        """Return the server's URL without a path, which step-ca's own client drops as well.

        Raises InvalidConnection unless it is https.
        """
        url = ServerConnection.url(self)  # not super(): slots made this class anew
        if url.scheme != "https":
            raise InvalidConnection("step-ca is spoken to by https alone: tokens and keys go over it")
        return url.origin()
