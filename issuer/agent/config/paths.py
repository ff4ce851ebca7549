"""Paths that the agent writes, compared by where they lead: none is written twice, or needed by the agent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from issuer.agent.config.consumers import ConsumerSpec
from issuer.agent.config.login import LoginChoice
from issuer.agent.config.model import AgentFile, CAChainSpec, CertificateSpec
from issuer.agent.config.state import own_folders
from issuer.agent.files.numbered import GENERATIONS
from issuer.manifests.positions import ValuePath

_Place = tuple[object, ...]
"""A path as symlinks lead it, or its folder's device and inode with its name."""
_AMID_GENERATIONS: Final = "lies where the agent keeps the generations of"


def sets_of(file: AgentFile) -> Iterator[tuple[ValuePath, CertificateSpec | CAChainSpec]]:
    """Yield each set with its place in the file."""
    for number, certificate in enumerate(file.certificates):
        yield ("certificates", number), certificate
    for number, chain in enumerate(file.ca_chains):
        yield ("caChains", number), chain


def path_problems(file: AgentFile, source: str, usual_state: Path | None) -> Iterator[tuple[ValuePath, str]]:
    """Yield each path that two sets share, or that the agent needs.

    `source` is the path of `agent.yaml`, `usual_state` the state folder where the file names none.
    """
    machinery = {_real(kept.folder / GENERATIONS): kept.name for _, kept in sets_of(file)}
    inputs = {_real(path): use for path, use in _inputs(file, source)}
    given = file.state_folder or usual_state
    state = None if given is None else _real(given, last=True)
    own = () if state is None else own_folders(state)
    state_name = "stateFolder" if file.state_folder else f'the state folder "{given}"'
    written: dict[_Place, str] = {}
    for where, kept in sets_of(file):
        for below, path, is_folder in _written(kept):
            at = (*where, *below)
            real = _real(path, last=is_folder)
            places = [*_places(path, is_folder=is_folder)]
            others = [written[place] for place in places if place in written]
            if others:
                yield at, f'"{path}" is written by "{others[0]}", too: give each a path of its own'
            written.update(dict.fromkeys(places, kept.name))
            if (name := _inside(real, machinery)) is not None:
                yield at, f'"{path}" {_AMID_GENERATIONS} "{name}": write a path outside it'
            if real in inputs:
                yield at, f'"{path}" is {inputs[real]}, and would be overwritten: write another path'
            if (real if is_folder else real.parent) in own:
                yield (
                    at,
                    f'"{path}" lies in {state_name}, whose files are the agent\'s own: write another path',
                )
    if state is not None and (name := _inside(state, machinery)) is not None:
        yield ("stateFolder",), f'"{given}" {_AMID_GENERATIONS} "{name}": write a path outside it'


def _written(kept: CertificateSpec | CAChainSpec) -> Iterator[tuple[ValuePath, Path, bool]]:
    """Yield what is written for a set: place below it, path, and True for a folder."""
    yield ("folder",), kept.folder, True
    for number, one in enumerate(kept.files):
        yield ("files", number, "name"), kept.folder / one.name, False
    for number, copy in enumerate(kept.copies):
        yield ("copies", number, "path"), copy.path, False


def _inputs(file: AgentFile, source: str) -> Iterator[tuple[Path, str]]:
    """Yield files that the agent reads or runs, each with what it is; but a login's certificate."""
    yield Path(source).absolute(), "this configuration"
    for path in _credentials(file.vault.login):
        if path is not None:
            yield path, "a credential of vault.login"
    for _, kept in sets_of(file):
        for one in (*kept.files, *kept.copies):
            if one.password_file is not None:
                yield one.password_file, f'a passwordFile of "{kept.name}"'
    for consumer in file.consumers:
        yield from _inputs_of(consumer)


def read_files(file: AgentFile) -> tuple[Path, ...]:
    """Return files that the agent reads beside its configuration: CA, credentials and passwords."""
    sets = (kept for _, kept in sets_of(file))
    passwords = (one.password_file for kept in sets for one in (*kept.files, *kept.copies))
    found = (file.vault.ca_file, *_credentials(file.vault.login), *passwords)
    return tuple(dict.fromkeys(path for path in found if path is not None))


def use_of(file: AgentFile, source: str, path: Path) -> str | None:
    """Return what a path is to an agent already, None if nothing: metrics are not written over that."""
    real = _real(path.absolute())
    for _, kept in sets_of(file):
        for _, written, is_folder in _written(kept):
            if not is_folder and _real(written) == real:
                return f'a file of "{kept.name}"'
        if _inside(real, {_real(kept.folder / GENERATIONS): kept.name}) is not None:
            return f'among the generations of "{kept.name}"'
    return next((use for one, use in _inputs(file, source) if _real(one) == real), None)


def _credentials(login: LoginChoice | None) -> Iterator[Path | None]:
    if login is None:
        return
    for one in (login.token, login.kubernetes, login.jwt):
        yield None if one is None else one.file
    if (role := login.app_role) is not None:
        yield from (role.role_id_file, role.secret_id_file, role.wrapped_secret_id_file)


def _inputs_of(consumer: ConsumerSpec) -> Iterator[tuple[Path, str]]:
    if consumer.signal is not None:
        yield consumer.signal.pid_file, f'the pidFile of "{consumer.name}"'
        yield consumer.signal.exe, f'the program of "{consumer.name}"'
    if consumer.command is not None:
        yield Path(consumer.command[0]), f'the program of "{consumer.name}"'
    for hook in (consumer.haproxy, consumer.container):
        if hook is not None:
            yield hook.socket, f'the socket of "{consumer.name}"'


def _real(path: Path, *, last: bool = False) -> Path:
    """Return where `path` leads; its last part is followed only if `last`: a rename replaces a symlink."""
    if last:
        return Path(os.path.realpath(path))
    return Path(os.path.realpath(path.parent)) / path.name


def _places(path: Path, *, is_folder: bool) -> Iterator[_Place]:
    """Yield all by which two paths are known to be one: also a folder mounted twice has one inode."""
    yield (str(_real(path, last=is_folder)),)
    folder, name = (path, "") if is_folder else (path.parent, path.name)
    inode = inode_of(folder)
    if inode is not None:
        yield *inode, name


def inode_of(folder: Path) -> tuple[int, int] | None:
    """Return device and inode of a folder, None if it isn't there yet or not for this user to see."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _inside(real: Path, folders: dict[Path, str]) -> str | None:
    return next((folders[one] for one in (real, *real.parents) if one in folders), None)
