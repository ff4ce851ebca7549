"""aiohttp, imported without reading the system's CA certificates.

aiohttp reads them twice while it is imported, for TLS contexts of its own: 40 ms of each start. Everything
here gives it contexts of ours. An extension may use its own: these read the certificates when they are used.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["aiohttp"]


class LateRootsContext(ssl.SSLContext):
    """A TLS context that reads the system's CA certificates before its first connection."""

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a connection of asyncio's."""
        _read_roots(self)
        return self.wrap_bio(*args, **options)

    def wrap_socket(self, *args: Any, **options: Any) -> ssl.SSLSocket:
        """Begin a connection on a socket."""
        _read_roots(self)
        return self.wrap_socket(*args, **options)


def _read_roots(context: ssl.SSLContext) -> None:
    """Read them, and make it a context as any other, whose methods are the standard library's."""
    context.__class__ = ssl.SSLContext
    context.set_default_verify_paths()


@contextmanager
def _put_off() -> Iterator[None]:
    """Have contexts that are made in this block read the certificates later."""

    def later(context: ssl.SSLContext) -> None:
        context.__class__ = LateRootsContext

    ssl.SSLContext.set_default_verify_paths = later  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        del ssl.SSLContext.set_default_verify_paths


with _put_off():
    import aiohttp
