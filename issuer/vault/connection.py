"""Where a Vault is, how to trust it, and what to show it."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from yarl import URL

from issuer.vault.client_certificate import BadClientCertificate, ClientCertificate
from issuer.vault.errors import InvalidConnection

# The public roots of a whole operating system are about 250 KiB.
MAX_CA_BUNDLE_BYTES = 1024 * 1024
DEFAULT_TIMEOUT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Connection:
    """One Vault server, as `spec.vault` of an issuer names it.

    `ca_pem` alone is trusted when given, otherwise the system's store; `server_name` is the name the server's
    certificate must hold (and SNI) where it isn't the host of `server`; `namespace` is Vault Enterprise's or
    OpenBao's; `client_certificate` is shown to a server that asks for one; `timeout` is for a whole call, in
    seconds.
    """

    server: str
    ca_pem: bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    namespace: str | None = None
    client_certificate: ClientCertificate | None = field(default=None, repr=False)
    timeout: float = DEFAULT_TIMEOUT_SECONDS

    def url(self) -> URL:
        """The server's base URL; raises InvalidConnection unless plain http(s)://host[:port][/path]."""
        try:
            url = URL(self.server.strip().rstrip("/"))
        except (ValueError, TypeError) as error:
            raise InvalidConnection(_ADDRESS) from error
        if url.scheme not in ("https", "http") or not url.host:
            raise InvalidConnection(_ADDRESS)
        if url.user or url.password or url.query_string or url.fragment:
            raise InvalidConnection(f"{_ADDRESS}, without user, password, query or fragment")
        if self.namespace is not None and not self.namespace.isprintable():
            raise InvalidConnection("The Vault namespace holds characters that can't be sent")
        return url

    def tls(self) -> ssl.SSLContext | None:
        """A verifying TLS context, or None for http. Raises InvalidConnection where the CA bundle or the
        client certificate can't be used."""
        if self.url().scheme == "http":
            return None
        context = (
            ssl.create_default_context(cadata=self._trusted())
            if self.ca_pem
            else ssl.create_default_context()
        )
        # As Go's verifier, which cert-manager's users wrote their bundles for: any certificate in the bundle
        # is an anchor, also an intermediate, and RFC 5280's formalities (which Python 3.13 added) aren't
        # asked of old CAs. Signatures, dates and names are always verified.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.client_certificate is not None:
            try:
                self.client_certificate.load_into(context)
            except BadClientCertificate as error:
                raise InvalidConnection(f"The client certificate for Vault can't be used: {error}") from error
        return context

    def _trusted(self) -> bytes:
        pem = self.ca_pem or b""
        if len(pem) > MAX_CA_BUNDLE_BYTES:
            raise InvalidConnection(f"The CA bundle for Vault is larger than {MAX_CA_BUNDLE_BYTES} bytes")
        try:
            certificates = x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise InvalidConnection(
                "The CA bundle for Vault holds no readable PEM certificates; correct caBundle or the Secret "
                "of "
                "caBundleSecretRef"
            ) from error
        # DER, because Python refuses PEM text with comments that aren't ASCII.
        return b"".join(certificate.public_bytes(Encoding.DER) for certificate in certificates)


_ADDRESS = "The Vault address must look like https://vault.example.com:8200"
