"""Keys that protect nothing, denied where no role of Vault looks at them: verbatim paths, CA certificates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from issuer.policy.violation import Violation
from issuer.x509.keys import Key

SMALLEST: Final = {"RSA": 2048, "ECDSA": 256}
"""Bits that a key has at least, unless the policy names a minSize of its own."""
LARGEST: Final = 8192
"""Bits that a key has at most, as in a policy's maxSize: whoever is shown the certificate pays for more."""

_PATH: Final = "spec.constraints.privateKey"
_LARGEST_ECDSA: Final = 521


def weak_key(key: Key, algorithm: str | None, min_size: int | None) -> Iterator[Violation]:
    """What is wrong with a key. `algorithm` and `min_size` are the policy's, which may say otherwise of small
    sizes alone; without an algorithm, a size that ECDSA keys have says nothing of RSA keys.

    Keys that are neither RSA, nor ECDSA on a NIST curve, nor Ed25519 can't be read by Go, and so by Vault.
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
