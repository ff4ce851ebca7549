"""Backends whose issuers a command knows."""

from __future__ import annotations

from collections.abc import Iterable

from issuer.manifests.errors import BadInput
from issuer.signing.backend import BackendError, Backends
from issuer.signing.backends import load_backends


def named_backends(names: Iterable[str]) -> Backends:
    """Return the built-in backends and those of these names. Raises BadInput for one that can't be loaded."""
    try:
        return load_backends(names)
    except BackendError as error:
        raise BadInput(str(error)) from error
