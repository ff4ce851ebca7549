"""RSA keys for tests that don't ask how a key is made, which takes up to a second."""

from __future__ import annotations

from functools import cache

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key


@cache
def rsa_key(size: int = 2048, exponent: int = 65537) -> RSAPrivateKey:
    """Return the one key of that kind in this process; `size` in bits."""
    return generate_private_key(exponent, size)
