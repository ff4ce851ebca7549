"""The file becomes an `AgentFile`; contradictions between its parts, each with file and line."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from issuer.agent.config.files import SetFile
from issuer.agent.config.login import LoginChoice
from issuer.agent.config.model import AgentFile, CAChainSpec, CertificateSpec
from issuer.agent.config.names import name_problems
from issuer.agent.config.paths import path_problems, sets_of
from issuer.agent.config.state import state_folder
from issuer.agent.files.contents import CHAIN_ONLY, KeyEncoding
from issuer.agent.files.trusted import who_may_write
from issuer.manifests.checked import dotted, validated
from issuer.manifests.documents import read_source
from issuer.manifests.errors import BadInput
from issuer.manifests.positions import FilePlaces, ValuePath, read_mapping
from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection
from issuer.vault.paths import Mode, PathError, SignPath, auth_mount

_ISSUER: Final = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_ABSENT: Final = "certificates and caChains are both empty: there is nothing to keep"


def load_agent_file(path: str) -> AgentFile:
    """Read `agent.yaml`. Raises BadInput with every problem, a line each."""
    try:
        source, content = read_source(path)
    except BadInput as error:
        if not isinstance(error.__cause__, FileNotFoundError):
            raise
        raise BadInput(
            f"{path} is not there: `vault-issuer agent join` writes one of a ticket, and -c names another"
        ) from error
    if os.geteuid() == 0 and path != "-" and (writer := who_may_write(Path(path).absolute())) is not None:
        raise BadInput(f"{source}:1 is not read, as the agent runs as root: {writer}")
    return checked_agent_file(source, content, state_folder(None, os.environ, path))


def checked_agent_file(source: str, content: bytes, usual_state: Path | None = None) -> AgentFile:
    """Return the text of an `agent.yaml` as a model; `source` names it in messages. Raises BadInput.

    `usual_state` is the state folder where the text names none.
    """
    mapping = read_mapping(source, content)
    places = FilePlaces(source, mapping.lines)
    found = validated(AgentFile, mapping.data, places.of)
    problems = [
        f"{places.of(where)} {dotted(where)}: {message}"
        for where, message in _problems(found, source, usual_state)
    ]
    if problems:
        raise BadInput("\n".join(problems))
    return found


def _problems(file: AgentFile, source: str, usual_state: Path | None) -> Iterator[tuple[ValuePath, str]]:
    if not file.certificates and not file.ca_chains:
        yield (), _ABSENT
    if any(not one.delivered for one in file.certificates) and file.vault.login is None:
        yield ("vault", "login"), "is required: certificates are signed for a token"
    try:
        Connection(file.vault.server, server_name=file.vault.server_name).url()
    except InvalidConnection as error:
        yield ("vault", "server"), str(error)
    yield from _mounts(file.vault.login)
    yield from _own_certificate(file)
    names: set[str] = set()
    for where, kept in sets_of(file):
        if kept.name in names:
            yield (*where, "name"), f'"{kept.name}" is given twice'
        names.add(kept.name)
        yield from _modes(where, kept)
        yield from (_certificate(where, kept) if isinstance(kept, CertificateSpec) else _chain(where, kept))
    yield from path_problems(file, source, usual_state)
    yield from _consumers(file)


def _mounts(login: LoginChoice | None) -> Iterator[tuple[ValuePath, str]]:
    """Give each mount of a login that can't be one."""
    given = (
        {}
        if login is None
        else {
            "appRole": login.app_role,
            "certificate": login.certificate,
            "kubernetes": login.kubernetes,
            "jwt": login.jwt,
        }
    )
    for name, one in given.items():
        try:
            if one is not None:
                auth_mount(one.mount)
        except PathError as error:
            yield ("vault", "login", name, "mount"), str(error)


def _consumers(file: AgentFile) -> Iterator[tuple[ValuePath, str]]:
    certificates = {one.name for one in file.certificates}
    chains = {one.name for one in file.ca_chains}
    names: set[str] = set()
    for number, consumer in enumerate(file.consumers):
        where: ValuePath = ("consumers", number)
        if consumer.name in names:
            yield (*where, "name"), f'"{consumer.name}" is given twice'
        names.add(consumer.name)
        yield from (((*where, *below), text) for below, text in consumer.problems(certificates, chains))


def _own_certificate(file: AgentFile) -> Iterator[tuple[ValuePath, str]]:
    """Give the certificates that log in and have no common name: OpenBao and Vault name the token by it."""
    login = None if file.vault.login is None else file.vault.login.certificate
    for number, spec in enumerate(file.certificates):
        if login is not None and login.certificate_file.parent == spec.folder and not spec.common_name:
            yield (
                ("certificates", number, "commonName"),
                "is required: the login by this certificate needs it",
            )


def _modes(where: ValuePath, kept: CertificateSpec | CAChainSpec) -> Iterator[tuple[ValuePath, str]]:
    """Give each file with a key that everybody could read."""
    for number, one in enumerate((*kept.files, *kept.copies)):
        if one.mode is not None and one.kind.is_secret and one.mode & 0o007:
            part = "files" if isinstance(one, SetFile) else "copies"
            at = number if isinstance(one, SetFile) else number - len(kept.files)
            yield (
                (*where, part, at, "mode"),
                "would let everybody read the key: write 0600, or 0640 with a group",
            )


def _key_forms(spec: CertificateSpec) -> Iterator[tuple[ValuePath, str]]:
    """Give each file that asks for the older form of a key that has none."""
    if spec.key.algorithm != "Ed25519":
        return
    for part, files in (("files", spec.files), ("copies", spec.copies)):
        for number, one in enumerate(files):
            if one.key_encoding is KeyEncoding.PKCS1:
                yield (part, number, "keyEncoding"), "must be PKCS8: an Ed25519 key has no other form"


def _certificate(where: ValuePath, spec: CertificateSpec) -> Iterator[tuple[ValuePath, str]]:
    yield from (((*where, *below), text) for below, text in _key_forms(spec))
    yield from (((*where, *below), text) for below, text in _path(spec))
    for below, message in name_problems(spec):
        yield (*where, *below), message


def _path(spec: CertificateSpec) -> Iterator[tuple[ValuePath, str]]:
    if spec.delivered:
        if spec.path:
            yield ("path",), "must be left out: what is delivered is asked for by something else"
        return
    if not spec.path:
        yield ("path",), "is required"
        return
    try:
        path, issues = agent_path(spec.path)
    except PathError as error:
        yield ("path",), str(error)
        return
    if path.mode is not Mode.SIGN:
        yield ("path",), "must be <mount>/sign/<role>: on sign-verbatim no role limits the names"
    if issues and "key" in spec.model_fields_set:
        yield ("key",), "must be left out: on issue/ Vault makes the key, as its role says"


def agent_path(text: str) -> tuple[SignPath, bool]:
    """Return a path of `agent.yaml`, and whether Vault makes the key there. Raises PathError."""
    head, _, role = text.strip("/").rpartition("/")
    if head.rpartition("/")[2] == "issue":
        return SignPath.parse(f"{head.removesuffix('issue')}sign/{role}"), True
    return SignPath.parse(text), False


def _chain(where: ValuePath, spec: CAChainSpec) -> Iterator[tuple[ValuePath, str]]:
    if spec.mount:
        issuer = "" if spec.issuer is None else f"issuer/{spec.issuer}/"
        try:
            SignPath.parse(f"{spec.mount}/{issuer}sign/x")
        except PathError as error:
            yield (*where, "mount"), str(error)
        if spec.issuer is not None and _ISSUER.fullmatch(spec.issuer) is None:
            yield (*where, "issuer"), "must be the name or the ID of an issuer"
    if spec.delivered == bool(spec.mount):
        yield (*where, "mount"), "must be left out: it is delivered" if spec.delivered else "is required"
    for part, files in (("files", spec.files), ("copies", spec.copies)):
        for number, one in enumerate(files):
            if one.kind not in CHAIN_ONLY:
                yield (*where, part, number, "kind"), "must be chain, ca or ca-der: a CA chain has no key"
