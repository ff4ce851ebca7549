"""The first contact with a server whose CA this machine doesn't have yet: its root, known by a fingerprint.

What comes over that first connection is public, and only the one certificate that has the fingerprint is
taken from it. Every later connection is verified by that certificate.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import urllib.error
import urllib.request
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.errors import AgentError
from issuer.vault.connection import Connection
from issuer.x509.certificates import decoded
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.errors import InvalidCertificate

_MAX_BYTES: Final = 1 << 20
_SECONDS: Final = 30.0


class OtherRoot(AgentError):
    """The server has no CA of that fingerprint."""


async def pinned_root(connection: Connection, mount: str, fingerprint: str) -> bytes:
    """Return the CA of a PKI mount whose SHA-256 is `fingerprint`, as PEM.

    Raises OtherRoot, AgentError if there is no answer, and InvalidConnection.
    """
    base = str(connection.url()).rstrip("/")
    text = await asyncio.to_thread(_read, f"{base}/v1/{mount.strip('/')}/ca_chain", connection.namespace)
    wanted = fingerprint.replace(":", "").lower()
    try:
        cas = read_bundle(text).certificates
    except InvalidCertificate as error:
        raise AgentError(f'The CAs of "{mount}" can\'t be read: {error}') from error
    for ca in cas:
        found = decoded(ca)
        if found is None:
            continue
        if hashlib.sha256(found.public_bytes(Encoding.DER)).hexdigest() == wanted:
            return found.public_bytes(Encoding.PEM)
    raise OtherRoot(
        f'{base} has no CA with the SHA-256 {fingerprint} at "{mount}": somebody may be between here and the '
        "server, or its root is another one now. Compare the fingerprint with what the CA's owner gives"
    )


def _read(url: str, namespace: str | None) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing secret is sent, and the fingerprint is the proof
    request = urllib.request.Request(url)  # noqa: S310  # `Connection.url` lets http and https through alone
    if namespace:
        request.add_header("X-Vault-Namespace", namespace)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS, context=context) as answer:  # noqa: S310
            data: bytes = answer.read(_MAX_BYTES)
    except (OSError, ValueError) as error:  # urllib's own errors are OSErrors
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise AgentError(f"{url} can't be read: {reason}") from error
    return data
