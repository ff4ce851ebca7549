"""A TLS certificate to serve with, read again when its files change, as they do at each renewal."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

log = structlog.get_logger(__name__)

LOOK: Final = 30.0
"""Seconds between two looks at the files."""


class ServingCertificate:
    """A certificate and key in PEM files. Raises OSError if they can't be used at the start.

    A context that has refused files may have taken one of them, and serves nothing then (OpenSSL drops the
    key that does not fit a new certificate). So each pair has a context of its own, to which `context` leads
    new connections.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._files = certificate, key
        self._seen = self._versions()
        self.context = self._newest = self._loaded()
        self.context.sni_callback = self._lead

    async def keep_fresh(self) -> None:
        """Look every few seconds; log files that can't be used, and keep the old pair."""
        while True:
            await asyncio.sleep(LOOK)
            self.look()

    def look(self) -> bool:
        """Read the files if they changed; return True if the new pair is in use."""
        try:
            versions = self._versions()
            if versions == self._seen:
                return False
            self._seen = versions
            self._newest = self._loaded()
        except OSError as error:  # ssl.SSLError is one
            log.warning("the new serving certificate can't be used", error=str(error))
            return False
        log.info("serving certificate read again", file=str(self._files[0]))
        return True

    def _loaded(self) -> ssl.SSLContext:
        certificate, key = self._files
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(certificate, key)
        except ssl.SSLError as error:
            raise OSError(f"{certificate} and {key} are no certificate with its key: {error}") from error
        return context

    def _lead(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        """Have a connection use the newest pair; called for clients that send no name, too."""
        connection.context = self._newest

    def _versions(self) -> tuple[tuple[int, int], ...]:
        found = (path.stat() for path in self._files)
        return tuple((one.st_mtime_ns, one.st_ino) for one in found)
