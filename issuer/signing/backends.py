"""The backends of a process: the built-in ones, and others that the operator names.

Others come with a Python distribution that has an entry point in the group `vault_issuer.backends`, whose
object is called without arguments and gives a `Backend`. It is loaded only where `--backends` names it, since
its code runs inside the process that signs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import structlog

from issuer.signing.backend import Backend, BackendError, Backends
from issuer.signing.step.adopted import AdoptedStepBackend
from issuer.signing.step.backend import StepBackend
from issuer.signing.vault.backend import VaultBackend

GROUP: Final = "vault_issuer.backends"
"""The entry points' group (packaging.python.org, "Entry points specification")."""

log = structlog.get_logger(__name__)


def built_in() -> Backends:
    """Return the backends that this product brings itself."""
    return Backends([VaultBackend(), StepBackend()])


def adoptable() -> tuple[Backend, ...]:
    """Return the backends for kinds of other controllers, which only take part where somebody wants it."""
    return (AdoptedStepBackend(),)


def load_backends(names: Iterable[str], *, adopt_step_issuer: bool = False, logged: bool = False) -> Backends:
    """Return the built-in backends and those of that names, in that order.

    `adopt_step_issuer` adds the one that serves step-issuer's kinds in its place; so does its name. With
    `logged` each of the others is one line of the log, which commands that print answers leave out.

    Raises BackendError where one isn't installed, is offered by two distributions, has the name of a built-in
    one, can't be imported, or claims a kind of another.
    """
    wanted, ours = list(names), list(built_in())
    adopted = [one for one in adoptable() if one.name in wanted or adopt_step_issuer]
    others = [name for name in wanted if name not in {one.name for one in adopted}]
    return Backends([*ours, *adopted, *(_load(name, {one.name for one in ours}, logged) for name in others)])


def _load(name: str, taken: set[str], logged: bool) -> Backend:
    if name in taken:
        raise BackendError(f"--backends {name}: that is a built-in backend, which is always there")
    entry = _entry_point(name)
    try:
        backend: Backend = entry.load()()
        own_name, _ = backend.name, tuple(backend.kinds)
    except Exception as error:
        raise BackendError(
            f"--backends {name}: {entry.value} can't be loaded: {type(error).__name__}: {error}"
        ) from error
    if own_name != name:
        raise BackendError(f"--backends {name}: {entry.value} calls itself {own_name!r}")
    if logged:
        _log_loaded(backend, entry)
    return backend


def _log_loaded(backend: Backend, entry: EntryPoint) -> None:
    distribution = entry.dist
    log.info(
        "backend loaded",
        backend=backend.name,
        distribution=distribution.name if distribution else "",
        version=distribution.version if distribution else "",
        file=getattr(sys.modules.get(type(backend).__module__), "__file__", None) or "",
        kinds=[kind.kind for kind in backend.kinds],
    )


def _entry_point(name: str) -> EntryPoint:
    found = [one for one in entry_points(group=GROUP) if one.name == name]
    if not found:
        there = sorted({one.name for one in entry_points(group=GROUP)})
        known = f"there are {', '.join(there)}" if there else "none is installed"
        raise BackendError(
            f"--backends {name}: no installed distribution has that entry point in the group {GROUP}; {known}"
        )
    if len({one.value for one in found}) > 1:
        offered = ", ".join(sorted(one.value for one in found))
        raise BackendError(f"--backends {name}: several distributions offer it ({offered}): keep one of them")
    return found[0]
