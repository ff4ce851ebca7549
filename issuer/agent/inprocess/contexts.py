"""Contexts of `ssl` that present the newest certificate in each new connection.

A context in use is never changed: `load_cert_chain` on a live one races with handshakes, and
`load_verify_locations` can't take a root away. A renewal makes a new context instead, and the one that the
program has leads each new connection to it: by `wrap_socket` and `wrap_bio`, and in servers by the callback
for server names, which also runs for clients that send none.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.files.contents import CertificateSet
from issuer.agent.renewal.keys import key_pem
from issuer.transport.client_certificate import ClientCertificate


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """Use of a context.

    `server` sides present the certificate; client sides verify the server by the roots of the certificate's
    CA, and present it to servers that ask. With `client_auth` a server demands a certificate of that CA.
    `configure` is called with each new context, for ALPN, versions or ciphers.
    """

    server: bool
    client_auth: bool = False
    configure: Callable[[ssl.SSLContext], None] = lambda _: None


class FollowingContext(ssl.SSLContext):
    """A context that leads each new connection to the newest one. Settings made on it itself have no effect:
    use `ContextSettings.configure`."""

    _settings: ContextSettings
    _newest: ssl.SSLContext

    @classmethod
    def made(cls, settings: ContextSettings, newest: CertificateSet) -> Self:
        """Return a context that presents `newest` until it is told of another set."""
        context = cls(ssl.PROTOCOL_TLS_SERVER if settings.server else ssl.PROTOCOL_TLS_CLIENT)
        context._settings = settings
        context.follow(newest)
        if settings.server:
            context.sni_callback = context._lead
        return context

    def follow(self, newest: CertificateSet) -> None:
        """Present another set from the next connection on."""
        context = _plain_context(self._settings, newest)
        if self._settings.server:
            # A listening socket that was wrapped keeps the context of that moment: it leads on, too.
            context.sni_callback = self._lead
        self._newest = context

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Wrap a socket with the newest context; see `ssl.SSLContext.wrap_socket`."""
        return self._newest.wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Wrap two BIOs with the newest context, as asyncio does; see `ssl.SSLContext.wrap_bio`."""
        return self._newest.wrap_bio(*args, **kwargs)

    def _lead(
        self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, context: ssl.SSLContext
    ) -> None:
        if context is not self._newest:
            connection.context = self._newest


def _plain_context(settings: ContextSettings, made: CertificateSet) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if settings.server else ssl.PROTOCOL_TLS_CLIENT)
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (made.leaf, *made.chain))
    if made.key_der is None:
        raise ValueError("a set without a key can't be presented")
    own = ClientCertificate(chain, key_pem(made.key_der).encode(), made.leaf.not_valid_after_utc)
    own.load_into(context)
    if not settings.server or settings.client_auth:
        context.load_verify_locations(cadata=b"".join(one.public_bytes(Encoding.DER) for one in made.roots))
        # The topmost CA that Vault gives can be an intermediate one.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if settings.client_auth:
        context.verify_mode = ssl.CERT_REQUIRED
    settings.configure(context)
    return context
