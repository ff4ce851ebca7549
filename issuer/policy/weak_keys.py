"""Keys that protect nothing, denied where the CA checks none: verbatim signing, CA certificates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from issuer.policy.violation import Violation
from issuer.x509.keys.public import Key

SMALLEST: Final = {"RSA": 2048, "ECDSA": 256}
"""The fewest bits of a key, unless the policy has a minSize."""
LARGEST: Final = 8192
"""The most bits of a key, as in a policy's maxSize: everyone who verifies the certificate pays for more."""

_PATH: Final = "spec.constraints.privateKey"
_LARGEST_ECDSA: Final = 521


def weak_key(key: Key, algorithm: str | None, min_size: int | None) -> Iterator[Violation]:
    """Yield what is wrong with a key.

    `algorithm` and `min_size` are the policy's: they can allow small sizes, nothing else. Without an
    algorithm, a minSize that ECDSA keys can have doesn't allow small RSA keys. Keys that are neither RSA, nor
    ECDSA on a NIST curve, nor Ed25519 can't be read by Go, and so by most CAs.
    """
    smallest = SMALLEST.get(key.algorithm, 0)
    meant = min_size is not None and (
        algorithm is not None or key.algorithm != "RSA" or min_size > _LARGEST_ECDSA
    )
    if key.flaw:
        yield Violation(_PATH, f"WeakKey: the {key.algorithm} key {key.flaw}")
    if not key.algorithm:
        yield Violation(_PATH, "WeakKey: the key is neither RSA, nor ECDSA on a NIST curve, nor Ed25519")
    elif key.size > LARGEST:
        yield Violation(_PATH, f"WeakKey: the key has {key.size} bits, more than the {LARGEST} at most")
    elif 0 <= key.size < smallest and not meant:
        yield Violation(
            _PATH,
            f"WeakKey: the {key.algorithm} key has {key.size} bits, less than {smallest}; "
            "a policy that allows it names its algorithm and minSize",
        )
