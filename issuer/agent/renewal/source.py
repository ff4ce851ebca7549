"""The set as the agent itself keeps it: key, certificate, chain and roots in one PEM beside the others.

From it files of other kinds, modes or owners are written without another signing, and an edited file is
written again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from issuer.agent.config.files import CopiedFile, SetFile
from issuer.agent.config.model import CAChainSpec, CertificateSpec
from issuer.agent.errors import AgentError
from issuer.agent.files.contents import (
    SOURCE_NAME,
    CertificateSet,
    FileKind,
    KeyEncoding,
    StoreProfile,
)
from issuer.agent.files.copies import check_copy, copy_file
from issuer.agent.files.generations import GenerationFolder
from issuer.agent.files.owners import owner_of
from issuer.agent.files.writing import NewFile
from issuer.agent.renewal.stores import known_copy, note_copy, read_password, same_store
from issuer.text import clip

SOURCE: Final = SOURCE_NAME
_OTHERS: Final = 0o007
_OPENED: Final = "opened-key"
"""The note of a key that everybody could open: its certificate's serial number."""
_ROOTS: Final = b"# roots\n"
_KEY: Final = re.compile(rb"-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n")


def source_of(made: CertificateSet) -> bytes:
    """Return the source's bytes."""
    key = b"" if made.key_der is None else made.render(FileKind.KEY)
    leaf = () if made.certificate is None else (made.certificate,)
    below, roots = _pem((*leaf, *made.chain)), _pem(made.roots)
    return key + below + _ROOTS + roots


def read_source(data: bytes | None) -> CertificateSet | None:
    """Return the set that `source_of` wrote; None if it isn't whole, or its key isn't the certificate's."""
    if data is None or _ROOTS not in data:
        return None
    below, _, above = data.partition(_ROOTS)
    try:
        roots = tuple(x509.load_pem_x509_certificates(above)) if above.strip() else ()
        found = _KEY.match(below)
        if found is None:
            return CertificateSet(tuple(x509.load_pem_x509_certificates(below)) if below else (), roots)
        key = load_pem_private_key(found[0], None)
        leaf, *chain = x509.load_pem_x509_certificates(below[found.end() :])
    except ValueError:
        return None
    public = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*public) != leaf.public_key().public_bytes(*public):
        return None
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return CertificateSet(tuple(chain), roots, leaf, der)


def files_of(spec: CertificateSpec | CAChainSpec, made: CertificateSet) -> dict[str, NewFile]:
    """Return the files of a set's folder, the source among them. Raises AgentError."""
    found = {SOURCE: NewFile(source_of(made), 0o600)}
    for one in spec.files:
        found[one.name] = new_file(one, made, spec.name)
    return found


def owners_of(spec: CertificateSpec | CAChainSpec) -> frozenset[int]:
    """Return the users that the files of a set's folder are for; they may write the folder.

    Raises NoSuchOwner.
    """
    uids = (_dressed(one).owner.uid for one in spec.files)
    return frozenset(uid for uid in uids if uid is not None)


def new_file(one: SetFile | CopiedFile, made: CertificateSet, name: str) -> NewFile:
    """Return one file as it is written. Raises AgentError: no such owner, no root, no password."""
    password = None if one.password_file is None else read_password(one.password_file)
    try:
        data = made.render(
            one.kind,
            name=name,
            password=password,
            profile=one.profile,
            key_encoding=one.key_encoding,
        )
    except ValueError as error:
        raise AgentError(f'"{name}": a file of kind {one.kind} can\'t be written: {error}') from error
    return replace(_dressed(one), data=data)


def write_copies(spec: CertificateSpec | CAChainSpec, made: CertificateSet) -> tuple[str, ...]:
    """Write the copies that don't hold what they should; returns warnings. Raises AgentError."""
    warnings = []
    for one in spec.copies:
        if one.kind is FileKind.PKCS12:
            file = _store_copy(one, made, spec.name)
        else:
            file = new_file(one, made, spec.name)
        report = copy_file(one.path, file)
        if report.warning is not None:
            warnings.append(report.warning)
    return tuple(warnings)


def _store_copy(one: CopiedFile, made: CertificateSet, name: str) -> NewFile:
    """Return a PKCS#12 file as it is written: the one that is there if it holds the same, as its mode and
    owner may be to change. Raises AgentError."""
    wanted = source_of(made) + name.encode()
    there = known_copy(one, wanted)
    if there is not None:
        return replace(_dressed(one), data=there)
    file = new_file(one, made, name)
    same = same_store(one, file.data)
    file = file if same is None else replace(file, data=same)
    note_copy(one, file.data, wanted)
    return file


def check_files(spec: CertificateSpec | CAChainSpec, folder: GenerationFolder) -> tuple[str, ...]:
    """Try owners, password files, the set's folder, and the places of copies; returns warnings.

    Nothing is left written. Raises AgentError.
    """
    check_own_files(spec, folder)
    # In the set's folder: what this process may give away there it may elsewhere.
    files = [_check_file(one) for one in spec.copies]
    folder.prove_writable(files)
    found = (
        check_copy(one.path, file.mode, file.owner) for one, file in zip(spec.copies, files, strict=True)
    )
    return tuple(filter(None, found))


def check_own_files(spec: CertificateSpec | CAChainSpec, folder: GenerationFolder) -> None:
    """Try owners and password files of what lies in the set's folder, and to write there.

    Raises AgentError.
    """
    folder.prove_writable([_check_file(one) for one in spec.files])


def password_problems(spec: CertificateSpec | CAChainSpec) -> tuple[str, ...]:
    """Return why password files of the set can't be used now: the next renewal would fail."""
    found = []
    for one in spec.files:
        try:
            if one.password_file is not None:
                read_password(one.password_file)
        except AgentError as error:
            found.append(f"{error}. Without it nothing is renewed")
    return tuple(found)


def closed_again(
    spec: CertificateSpec, folder: GenerationFolder, serial: str
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Give files of the set the mode and owner of `agent.yaml` again; returns new and standing warnings.

    That a key was open to everybody is told until another certificate is there, as it may be known.
    """
    files = {one.name: one for one in spec.files}
    wanted = {name: _dressed(one) for name, one in files.items()}
    found = folder.set_back(wanted)
    told = tuple(
        f'"{spec.folder / name}" had mode {mode:04o} or another owner, and has mode {wanted[name].mode:04o} '
        "again: write mode, owner or group into agent.yaml if it is to be another"
        for name, mode in found.items()
    )
    known = (
        f"Everybody could open the key of its certificate {serial}, so it may be known. For another one: "
        f"vault-issuer agent renew {spec.name}"
    )
    if any(mode & _OTHERS and files[name].kind.is_secret for name, mode in found.items()):
        folder.note(_OPENED, serial.encode())
        return (*told, known), ()
    return told, (known,) if folder.noted(_OPENED) == serial.encode() else ()


def without_root(made: CertificateSet) -> tuple[str, ...]:
    """Return a warning if the CA that clients are given is no root, as the mount has none behind it."""
    top = made.roots[0] if made.roots else None
    if top is None or top.issuer == top.subject:
        return ()
    told = (
        f"The CA for clients ({clip(top.subject.rfc4514_string(), 200)}) is no root; many trust no other: "
        "import its root into the mount, by <mount>/issuers/import/cert"
    )
    return (told,)


def _dressed(one: SetFile | CopiedFile) -> NewFile:
    """Return a file without content, with its mode and owner. Raises NoSuchOwner."""
    return NewFile(b"", one.final_mode, owner_of(one.owner, one.group, keep_id=one.keep_id))


def exposed_keys(spec: CertificateSpec | CAChainSpec) -> tuple[str, ...]:
    """Return warnings about files with a key that everybody may open, and that couldn't be closed."""
    found = []
    for one in spec.files:
        path = spec.folder / one.name
        with suppress(OSError):
            if one.kind.is_secret and path.stat().st_mode & _OTHERS:
                found.append(f'Everybody may open "{path}", which holds the key: run "chmod o= {path}"')
    return tuple(found)


def _check_file(one: SetFile | CopiedFile) -> NewFile:
    """Return a file's mode and owner. Raises AgentError: no such owner, no password that can be used."""
    if one.password_file is not None:
        read_password(one.password_file)
    return _dressed(one)


def layout_digest(files: Sequence[SetFile]) -> str:
    """Return a digest of which files there are and how; another one means that they are written again."""
    return _digest([one.model_dump(mode="json", exclude=_usual(one)) for one in files])


def _usual(one: SetFile) -> set[str]:
    """Return the fields that came later and have their defaults: files from before the choice stay."""
    fields = {"profile": StoreProfile.MODERN, "key_encoding": KeyEncoding.PKCS8}
    return {name for name, usual in fields.items() if getattr(one, name) is usual}


def request_digest(spec: CertificateSpec) -> str:
    """Return a digest of what is asked for; another one means that a new certificate is."""
    fields = ("path", "common_name", "dns_names", "ip_addresses", "uris", "email_addresses", "ttl", "key")
    return _digest({name: spec.model_dump(mode="json")[name] for name in fields})


def _digest(value: Sequence[Any] | Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _pem(certificates: Sequence[x509.Certificate]) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def left_behind(spec: CertificateSpec | CAChainSpec, written: Iterable[str]) -> tuple[str, ...]:
    """Return a warning for each of the names `written` that `agent.yaml` has no more.

    Their symlinks lead nowhere then.
    """
    gone = set(written) - {one.name for one in spec.files} - {SOURCE}
    return tuple(
        f'"{spec.folder / name}" is kept no more and leads nowhere: remove it, or have it in files again if '
        "a server still names it"
        for name in sorted(gone)
        if (spec.folder / name).is_symlink()
    )
