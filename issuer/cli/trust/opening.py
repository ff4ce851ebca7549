"""Sources and stores from options, and the person who confirms a fingerprint."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import typer

from issuer.cli.options import ClusterChoice
from issuer.cli.output import report_bad_input, without_logs
from issuer.cli.trust.options import BAD_INPUT, StoreKind
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.trust.errors import RootRefused, StoreNotUsable, TrustError
from issuer.trust.roots import TrustRoot, choose_roots, parse_fingerprint, read_source
from issuer.trust.sources import fetch, is_url, read_file
from issuer.trust.stores.java import DEFAULT_PASSWORD, JavaStore, default_truststore
from issuer.trust.stores.nss import NSSStore, databases
from issuer.trust.stores.store import TrustStore
from issuer.trust.stores.system import SystemStore
from issuer.vault.environment import BadVariable, address_from, trusted_from, variable
from issuer.x509.chains.bundle import Bundle

_TYPED: Final = 16
"""Digits of a fingerprint that a person types: 64 bits, which nobody makes a second root for by chance."""


@dataclass(frozen=True, slots=True)
class GivenSource:
    """Source of certificates, and which of them are wanted, as the options say it.

    `home` is the namespace of the Secrets of cluster issuers.
    """

    source: str | None
    mount: str | None
    issuer: str | None
    sha256: Sequence[str] | None
    ca_file: Path | None
    cluster: ClusterChoice
    home: str | None


@dataclass(frozen=True, slots=True)
class FoundCertificates:
    """Certificates of a source by its name for people; `wanted` are fingerprints, none if all are wanted."""

    source: str
    bundle: Bundle
    wanted: Sequence[str]

    def roots(self, now: datetime) -> tuple[TrustRoot, ...]:
        """Return the roots that are wanted. Raises RootRefused."""
        return choose_roots(self.bundle.certificates, self.wanted, now, self.source)


@contextmanager
def reported() -> Iterator[None]:
    """End the command with code 2 on refusals and bad input, with their message on standard error."""
    with report_bad_input(BAD_INPUT, TrustError, BadVariable):
        yield


def find_certificates(given: GivenSource) -> FoundCertificates:
    """Return the certificates of a source. Raises RootRefused, BadInput, BadVariable."""
    wanted = [parse_fingerprint(one) for one in given.sha256 or ()]
    if sum(one is not None for one in (given.source, given.mount, given.issuer)) != 1:
        raise BadInput("Give one of SOURCE, --mount and --issuer.")
    if given.issuer is None:
        source, data = _read(given, is_pinned=bool(wanted))
    else:
        from issuer.cli.trust.cluster import issuer_cas  # a machine without a cluster loads nothing of it

        source = given.issuer
        with without_logs():
            data = asyncio.run(issuer_cas(source, given.cluster, given.home or ""))
    return FoundCertificates(source, read_source(data, source), wanted)


def _read(given: GivenSource, *, is_pinned: bool) -> tuple[str, bytes]:
    """Return the name and the content of a mount, a URL or a file."""
    namespace, source = "", given.source or ""
    if given.mount is not None:
        mount = given.mount.strip("/")
        source = f"{address_from(os.environ).rstrip('/')}/v1/{mount}/ca_chain"
        namespace = variable(os.environ, "NAMESPACE")
    if not is_url(source):
        return source, read_file(source)
    return source, fetch(source, is_pinned=is_pinned, ca_pem=_server_ca(given), namespace=namespace)


def _server_ca(given: GivenSource) -> bytes | None:
    """Return the CAs that vouch for a URL's server, None for the system's.

    Raises RootRefused, BadVariable.
    """
    if given.ca_file is not None:
        return read_file(str(given.ca_file))
    return trusted_from(os.environ) if given.mount is not None else None


def confirm(roots: Sequence[TrustRoot]) -> None:
    """Have a person type the beginning of each fingerprint. Raises RootRefused, also without a terminal."""
    if not sys.stdin.isatty():
        names = " ".join(f"--sha256 {root.sha256}" for root in roots)
        raise RootRefused(
            "Nothing proves that these are the right roots. Compare the fingerprints with what the owner of "
            f"the CA gives, and give them: {names}"
        )
    for root in roots:
        typer.echo(f"{shown(root.subject)}\n  SHA-256 {root.sha256}", err=True)
        typed = typer.prompt(
            f"Its first {_TYPED} digits, as the CA's owner gave them to you another way", err=True
        )
        if typed.strip().lower().replace(":", "")[:_TYPED] != root.sha256[:_TYPED]:
            raise RootRefused("That is another fingerprint. Nothing was written.")


def open_stores(
    kinds: Sequence[StoreKind] | None,
    nss: Sequence[Path] | None,
    java: Path | None,
    java_password_file: Path | None,
) -> list[TrustStore]:
    """Return the stores that the options name. Raises StoreNotUsable, RootRefused."""
    stores: list[TrustStore] = []
    for kind in dict.fromkeys(kinds or [StoreKind.SYSTEM]):
        if kind is StoreKind.SYSTEM:
            stores.append(SystemStore.of_this_machine())
        elif kind is StoreKind.NSS:
            stores += _nss(nss or ())
        else:
            stores.append(JavaStore(java or default_truststore(), _password(java_password_file)))
    return stores


def _nss(folders: Sequence[Path]) -> list[TrustStore]:
    found = list(folders) or databases(Path.home(), os.environ)
    if not found:
        raise StoreNotUsable(
            f"nss: there is no database of Chromium or Firefox in {Path.home()}: start the browser once, run "
            "this command as the browser's user, or give --nss-dir"
        )
    return [NSSStore(one) for one in found]


def _password(path: Path | None) -> str:
    if path is None:
        return DEFAULT_PASSWORD
    return read_file(str(path)).decode("utf-8", "replace").partition("\n")[0].rstrip("\r")
