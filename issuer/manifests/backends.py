"""Backends whose issuers a command knows."""

from __future__ import annotations

from collections.abc import Iterable

from issuer.manifests.errors import BadInput
from issuer.requests.issuers import IssuerKinds
from issuer.signing.backend import BackendError, Backends
from issuer.signing.backends import adoptable, load_backends


def named_backends(names: Iterable[str]) -> Backends:
    """Return the built-in backends and those of these names. Raises BadInput for one that can't be loaded."""
    try:
        return load_backends(names)
    except BackendError as error:
        raise BadInput(str(error)) from error


def kinds_in_reach(backends: Backends) -> IssuerKinds:
    """Return the kinds of issuers that a user may name: those of these backends, and those of other
    controllers that this one may have adopted."""
    kinds = list(backends.kinds)
    more = (kind for backend in adoptable() for kind in backend.kinds)
    return IssuerKinds([*kinds, *(kind for kind in more if kind not in kinds)])
