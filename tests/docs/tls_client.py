"""A TLS client that looks at CRLs, and a server with what a Secret holds, without a network."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def refused_by_client(secret: dict[str, Any], root: str, lists: Sequence[str], host: str) -> str:
    """Return why a client refuses the Secret's certificate, "" if it doesn't.

    It has one root and CRLs, PEM; if any, then it takes one of each CA of the chain.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        trusted, pair = Path(folder, "trusted.pem"), Path(folder, "pair.pem")
        trusted.write_text(root + "".join(lists))
        client = ssl.create_default_context(cafile=str(trusted))
        if lists:
            client.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        pair.write_bytes(b"".join(base64.b64decode(secret["data"][one]) for one in ("tls.key", "tls.crt")))
        server.load_cert_chain(pair)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = client.wrap_bio(to_client, to_server, server_hostname=host)
    answer = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for end in (hello, answer):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
    return "" if hello.version() else "no handshake"
