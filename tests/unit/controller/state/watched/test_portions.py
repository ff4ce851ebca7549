"""Stores that two watches fill: each full list drops what its own watch showed, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

from issuer.controller.state.watched.portions import Portion, SharedStores
from issuer.controller.state.watched.store import Store
from issuer.kube.wire import Object


class Uids(Store[str]):
    """Keeps the uid of each object by its name."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, str] = {}

    def key_of(self, obj: Object) -> str:
        return str(obj["metadata"]["name"])

    def known(self) -> Iterable[str]:
        return tuple(self.held)

    def upsert(self, obj: Object) -> None:
        self.held[self.key_of(obj)] = obj["metadata"]["uid"]

    def drop(self, key: str) -> None:
        self.held.pop(key, None)


def named(name: str, uid: str = "1") -> Object:
    return {"metadata": {"name": name, "uid": uid}}


def shown(portion: Portion[str], *objects: Object) -> None:
    """Hand on a full list."""
    portion.begin()
    for obj in objects:
        portion.add(obj)
    portion.end()


class TwoWatches:
    """Two stores, filled by the watches `first` and `second`."""

    def __init__(self) -> None:
        self.store, self.beside = Uids(), Uids()
        self.shared = SharedStores(self.store, self.beside)
        self.first, self.second = self.shared.portion(), self.shared.portion()

    @property
    def held(self) -> dict[str, str]:
        assert self.store.held == self.beside.held
        assert set(self.shared.shown_by) == set(self.store.held)
        return self.store.held


def test_a_list_drops_nothing_of_the_other_watch() -> None:
    two = TwoWatches()
    shown(two.first, named("a"), named("b"))
    shown(two.second, named("c"))
    shown(two.first, named("b"))
    assert two.held == {"b": "1", "c": "1"}
    shown(two.second)
    assert two.held == {"b": "1"}


def test_an_object_made_anew_in_the_other_group_stays() -> None:
    two = TwoWatches()
    shown(two.first, named("a", "old"))
    two.second.upsert(named("a", "new"))
    two.first.remove(named("a", "old"))  # the event of its deletion is late
    assert two.held == {"a": "new"}
    shown(two.first)
    assert two.held == {"a": "new"}
    two.second.remove(named("a", "new"))
    assert two.held == {}


def test_it_may_come_back_to_the_first_group() -> None:
    two = TwoWatches()
    shown(two.first, named("a", "1"))
    two.second.upsert(named("a", "2"))
    two.first.upsert(named("a", "3"))
    two.second.remove(named("a", "2"))
    assert two.held == {"a": "3"}


def test_a_list_that_broke_off_and_began_anew_counts_alone() -> None:
    two = TwoWatches()
    shown(two.first, named("a"), named("b"))
    two.first.begin()
    two.first.add(named("a"))
    shown(two.first, named("b"))
    assert two.held == {"b": "1"}


def test_removing_what_was_never_shown_is_no_error() -> None:
    two = TwoWatches()
    two.first.remove(named("a"))
    assert two.held == {}
