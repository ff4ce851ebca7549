"""One server of a CA: its address, the CAs that it must be trusted by, and our client certificate."""

from __future__ import annotations

import hashlib
import re
import ssl
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Final
from weakref import WeakValueDictionary

from yarl import URL

from issuer.servers.allowed import Reach
from issuer.servers.hosts import BadHost, ascii_host
from issuer.text import clip, rfc3339
from issuer.tls import Trusted, read_trusted
from issuer.transport.client_certificate import BadClientCertificate, ClientCertificate
from issuer.transport.errors import InvalidConnection
from issuer.transport.words import ANY_SERVER, ServerWords
from issuer.x509.certificates import Certificate
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.describe import subject_text
from issuer.x509.errors import InvalidCertificate

DEFAULT_TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES: Final = 1024 * 1024
"""The most bytes of a body: a signed certificate with its chain is about 5 KiB; a whole chain may hold
dozens of CAs."""
_CONTEXT_BYTES = 32 * 1024
_STORE_BYTES = 832 * 1024
"""The size of the system's store in OpenSSL: four times its PEM text."""


_SHOWN: Final = 3
_SOON: Final = timedelta(days=30)
"""The time before the end of a bundle's last CA in which that is told; of a short-lived one it is a third."""


@dataclass(frozen=True, slots=True)
class TLSUse:
    """The key of a TLS context (`what`), and roughly the bytes of memory that it takes."""

    what: object = field(repr=False)
    size: int


@dataclass(frozen=True, slots=True)
class ServerConnection:
    """One server, as an issuer names it.

    If `ca_pem` is given, it alone is trusted, otherwise the system's store. `server_name` is the name that
    the server's certificate must hold (and SNI) if it isn't the host of `server`; `client_certificate` is for
    a server that asks for one; `timeout` is for a whole call, in seconds; `reach` restricts the servers that
    may be dialled for it; `proxy` is the URL of a proxy that all of it goes through, instead of what
    HTTP(S)_PROXY and NO_PROXY say; `most_bytes` bounds an answer's body. `words` are those of messages.
    """

    words: ClassVar[ServerWords] = ANY_SERVER

    server: str
    ca_pem: bytes | None = field(default=None, repr=False)
    server_name: str | None = None
    client_certificate: ClientCertificate | None = field(default=None, repr=False)
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    reach: Reach = field(default_factory=Reach)
    proxy: str = field(default="", repr=False)
    most_bytes: int = MAX_ANSWER_BYTES

    def url(self) -> URL:
        """Return the server's base URL; raises InvalidConnection unless plain
        http(s)://host[:port][/path]."""
        text = self.server.strip().rstrip("/")
        address = f"The {self.words.product} address must look like {self.words.example}"
        if not text.isprintable() or " " in text:
            raise InvalidConnection(f"{address}, without spaces and control characters")
        try:
            url = URL(text)
        except (ValueError, TypeError) as error:
            raise InvalidConnection(f"{address}; its host or port can't be read") from error
        if url.scheme not in ("https", "http") or not url.raw_host:
            raise InvalidConnection(address)
        if "@" in _authority(text) or url.query_string or url.fragment:
            raise InvalidConnection(f"{address}, without user, password, query or fragment")
        if url.port == 0:
            raise InvalidConnection(f"{address}; a port is a number from 1 to 65535")
        _ascii(url.raw_host, "server: the host")
        return url

    @property
    def tls_name(self) -> str | None:
        """Return `server_name` as TLS sends it, in A-labels. Raises InvalidConnection."""
        return None if self.server_name is None else _ascii(self.server_name, "serverName")

    def tls(self) -> ssl.SSLContext | None:
        """Return a verifying TLS context, or None for http. Raises InvalidConnection if the CA bundle or the
        client certificate can't be used.

        Connections with equal trust and client certificate share one: with every public root it has 0.8 MB
        and takes 60 ms to make, and a user can have hundreds of issuers.
        """
        if self.url().scheme == "http":
            return None
        use = self.tls_use()
        context = _shared.get(use.what)
        if context is None:
            context = _shared[use.what] = self._made()
        return context

    def tls_for_any_name(self) -> ssl.SSLContext:
        """Return a new TLS context that verifies the chain alone: only to read a certificate's names. Raises
        InvalidConnection."""
        context = self._made()
        context.check_hostname = False
        return context

    def tls_use(self) -> TLSUse:
        """Return the key of the TLS context that this connection shares with others, and its size.

        Checks nothing: a bundle or certificate that can't be used is refused by `tls`.
        """
        if self.server.strip().lower().startswith("http://"):
            return TLSUse(None, 0)
        trusted = hashlib.sha256(self.ca_pem).digest() if self.ca_pem else _system_store()
        size = 4 * len(self.ca_pem or b"")
        if self.client_certificate is None:
            # All connections share the system's store.
            return TLSUse((trusted, None), _CONTEXT_BYTES + size if self.ca_pem else 0)
        own = _CONTEXT_BYTES + (size if self.ca_pem else _STORE_BYTES)
        return TLSUse((trusted, self.client_certificate.digest()), own)

    def _made(self) -> ssl.SSLContext:
        context = self._context()
        # As Go's verifier, which cert-manager's users wrote their bundles for: any certificate in the bundle
        # is an anchor, also an intermediate, and RFC 5280's formalities (which Python 3.13 added) aren't
        # asked of old CAs. Signatures, dates and names are always verified.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        # As Go's, too: a server that asks for one handshake after the other would keep this process busy.
        context.options |= ssl.OP_NO_RENEGOTIATION
        if self.client_certificate is not None:
            try:
                self.client_certificate.load_into(context)
            except BadClientCertificate as error:
                raise InvalidConnection(
                    f"The client certificate for {self.words.product} can't be used: {error}"
                ) from error
        return context

    def _context(self) -> ssl.SSLContext:
        """Make a verifying context that trusts the bundle, or the system's store."""
        if not self.ca_pem:
            return ssl.create_default_context()
        # DER, because Python refuses PEM text with comments that aren't ASCII.
        bundle = self._trusted(self.ca_pem).der
        try:
            return ssl.create_default_context(cadata=bundle)
        except ssl.SSLError as error:
            raise InvalidConnection(
                f"The CA bundle for {self.words.product} as a whole is refused by TLS"
            ) from error

    def left_out(self) -> tuple[str, ...]:
        """Return sentences about certificates of the CA bundle that can't be used. Raises InvalidConnection
        as `tls` does."""
        return self._trusted(self.ca_pem).left_out if self.ca_pem else ()

    def bundle_warning(self, now: datetime) -> str:
        """Return a sentence if each CA of the bundle ends soon, as then TLS does; empty otherwise."""
        last = max(self._bundle(), key=lambda one: one.not_valid_after_utc, default=None)
        if last is None:
            return ""
        end = last.not_valid_after_utc
        if end - now > min(_SOON, (end - last.not_valid_before_utc) / 3):
            return ""
        return (
            f"TLS to {self.words.product} ends at {rfc3339(end)}, with the last CA of "
            f"{self.words.trust_fields}: put the next one beside it before that."
        )

    def ended_cas(self, now: datetime) -> tuple[str, ...]:
        """Return the certificates of the CA bundle that are over, the first few, each as subject and end."""
        over = [one for one in self._bundle() if one.not_valid_after_utc < now]
        return tuple(
            f"{clip(subject_text(one), 100)} (at {rfc3339(one.not_valid_after_utc)})" for one in over[:_SHOWN]
        )

    def _bundle(self) -> tuple[Certificate, ...]:
        """Return the certificates of the CA bundle, none if it can't be read whole."""
        try:
            return read_bundle(self.ca_pem).certificates if self.ca_pem else ()
        except InvalidCertificate:
            return ()

    def _trusted(self, pem: bytes) -> Trusted:
        try:
            return read_trusted(pem)
        except InvalidCertificate as error:
            raise InvalidConnection(
                f"The CA bundle for {self.words.product} holds no certificate that can be used: {error}; "
                f"correct {self.words.trust_fields}"
            ) from error


def _authority(url: str) -> str:
    """Return the text between the slashes of a URL; yarl drops an empty user from it."""
    return re.split("[/?#]", url.partition("//")[2], maxsplit=1)[0]


def _ascii(host: str, where: str) -> str:
    try:
        return ascii_host(host)
    except BadHost as error:
        raise InvalidConnection(f"{where} {error}") from error


_shared: Final[WeakValueDictionary[object, ssl.SSLContext]] = WeakValueDictionary()


def _system_store() -> tuple[float, ...]:
    """Return a key that changes with the system's store: the times of its file and its folder."""
    paths = ssl.get_default_verify_paths()
    times = []
    for path in (paths.cafile, paths.capath):
        try:
            times.append(Path(path).stat().st_mtime if path else 0.0)
        except OSError:
            times.append(0.0)
    return tuple(times)
