"""What is to do in each store, and doing it: nothing is written before every store was looked at.

A root that is replaced stays beside the new one: peers move over one by one, and need both. It leaves when it
is removed, by name or because it has ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from issuer.trust.errors import StoreFailed
from issuer.trust.roots import TrustRoot
from issuer.trust.stores.store import TrustStore


class TrustAct(StrEnum):
    """What is to do, or was done, about one root in one store."""

    INSTALL = "install"
    REMOVE = "remove"
    INSTALLED = "installed"
    REMOVED = "removed"
    PRESENT = "present"
    FOREIGN = "foreign"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TrustStep:
    """One root in one store: what is to do, or what came of it, with a sentence where it failed."""

    store: TrustStore
    root: TrustRoot
    act: TrustAct
    why: str = ""


def plan_install(stores: Sequence[TrustStore], roots: Sequence[TrustRoot]) -> list[TrustStep]:
    """Return what an installation would do. Raises StoreNotUsable, StoreFailed."""
    steps = [_install_step(store, root) for store in stores for root in roots]
    for store in {step.store: None for step in steps if step.act is TrustAct.INSTALL}:
        store.check()
    return steps


def plan_removal(
    stores: Sequence[TrustStore], fingerprints: Sequence[str], now: datetime, *, ended: bool, every: bool
) -> list[TrustStep]:
    """Return what a removal would do, of roots that this command put there alone.

    Of these go the ones of the fingerprints, those that have `ended`, or `every` one. Raises StoreNotUsable,
    StoreFailed.
    """
    steps = [
        TrustStep(store, root, TrustAct.REMOVE)
        for store in stores
        for root in store.installed()
        if every or root.sha256 in fingerprints or (ended and root.has_ended(now))
    ]
    for store in {step.store: None for step in steps}:
        store.check()
    return steps


def apply(steps: Sequence[TrustStep]) -> Iterator[TrustStep]:
    """Do the steps one by one, and yield each with what came of it. A store that fails stops no other."""
    for step in steps:
        try:
            yield _applied(step)
        except StoreFailed as error:
            yield replace(step, act=TrustAct.FAILED, why=str(error))


def _install_step(store: TrustStore, root: TrustRoot) -> TrustStep:
    is_ours = root in store.installed()
    if not store.trusts(root):
        return TrustStep(store, root, TrustAct.INSTALL)
    return TrustStep(store, root, TrustAct.PRESENT if is_ours else TrustAct.FOREIGN)


def _applied(step: TrustStep) -> TrustStep:
    if step.act not in (TrustAct.INSTALL, TrustAct.REMOVE):
        return step
    with step.store.lock():
        return _installed(step) if step.act is TrustAct.INSTALL else _removed(step)


def _installed(step: TrustStep) -> TrustStep:
    store, root = step.store, step.root
    again = _install_step(store, root)  # a hook of the system's store fills others
    if again.act is not TrustAct.INSTALL:
        return again
    if root in store.installed():  # it is there, and consumers don't see it
        store.remove(root)
    store.add(root)
    if store.trusts(root):
        return replace(step, act=TrustAct.INSTALLED)
    with suppress(StoreFailed):
        store.remove(root)
    raise StoreFailed("it was put there, and consumers of the store still refuse it; it was taken away again")


def _removed(step: TrustStep) -> TrustStep:
    step.store.remove(step.root)
    if not step.store.trusts(step.root):
        return replace(step, act=TrustAct.REMOVED)
    return replace(
        step,
        act=TrustAct.FAILED,
        why="ours was removed, and it is still trusted: somebody else put it there, too",
    )


def look(stores: Sequence[TrustStore], now: datetime) -> Iterator[TrustStep]:
    """Yield the roots of ours in each store, and whether its consumers trust them. Raises StoreFailed."""
    for store in stores:
        for root in store.installed():
            if root.has_ended(now):
                yield TrustStep(store, root, TrustAct.ENDED)
            elif store.trusts(root):
                yield TrustStep(store, root, TrustAct.PRESENT)
            else:
                yield TrustStep(store, root, TrustAct.FAILED, "consumers of the store don't trust it")
