"""The certificates that the system trusts, which no server of these tests needs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def no_certificates_of_the_system() -> Iterator[None]:
    """Trust none in this block: OpenSSL reads some 140 for each context, which takes 20 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", os.devnull)
        patch.setenv("SSL_CERT_DIR", os.devnull)
        yield
