"""Sources and stores from options, and the person who confirms a fingerprint."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from issuer.cli.output import report_bad_input, without_logs
from issuer.cli.trust.options import BAD_INPUT, StoreKind
from issuer.manifests.errors import BadInput
from issuer.manifests.text import shown
from issuer.trust.errors import RootRefused, StoreNotUsable, TrustError
from issuer.trust.roots import TrustRoot, read_source
from issuer.trust.sources import fetch, is_url, read_file
from issuer.trust.stores.java import DEFAULT_PASSWORD, JavaStore, default_truststore
from issuer.trust.stores.nss import NSSStore, databases
from issuer.trust.stores.store import TrustStore
from issuer.trust.stores.system import SystemStore
from issuer.vault.environment import BadVariable, address_from, variable
from issuer.x509.chains.bundle import Bundle

_TYPED: Final = 16
"""Digits of a fingerprint that a person types: 64 bits, which nobody makes a second root for by chance."""


@dataclass(frozen=True, slots=True)
class GivenIssuer:
    """An issuer, and the cluster it is in, as the options name them."""

    name: str
    kubeconfig: str | None = None
    context: str | None = None
    home: str | None = None


@dataclass(frozen=True, slots=True)
class GivenSource:
    """Where certificates come from, as the options say it."""

    source: str | None
    mount: str | None
    ca_file: Path | None = None
    issuer: GivenIssuer | None = None


@dataclass(frozen=True, slots=True)
class GivenStores:
    """Trust stores, as the options name them."""

    kinds: Sequence[StoreKind]
    nss: Sequence[Path] = ()
    java: Path | None = None
    password_file: Path | None = None


@contextmanager
def reported() -> Iterator[None]:
    """End the command with code 2 on refusals and bad input, with their message on standard error."""
    with report_bad_input(BAD_INPUT, TrustError, BadVariable):
        yield


def read_certificates(given: GivenSource, *, is_pinned: bool) -> tuple[Bundle, str]:
    """Return the certificates of a source, and its name for people.

    Raises RootRefused, BadInput, BadVariable.
    """
    if sum(one is not None for one in (given.source, given.mount, given.issuer)) != 1:
        raise BadInput("Give one of SOURCE, --mount and --issuer.")
    if given.issuer is not None:
        from issuer.cli.trust.cluster import issuer_cas  # a machine without a cluster loads nothing of it

        with without_logs():
            return read_source(asyncio.run(issuer_cas(given.issuer)), given.issuer.name), given.issuer.name
    namespace, source = "", given.source or ""
    if given.mount is not None:
        mount = given.mount.strip("/")
        source = f"{address_from(os.environ).rstrip('/')}/v1/{mount}/ca_chain"
        namespace = variable(os.environ, "NAMESPACE")
    if not is_url(source):
        return read_source(read_file(source), source), source
    data = fetch(source, is_pinned=is_pinned, ca_pem=_server_ca(given), namespace=namespace)
    return read_source(data, source), source


def given_source(
    source: str | None, mount: str | None, ca_file: Path | None, issuer: str | None, *cluster: str | None
) -> GivenSource:
    """Return the source of the options; `cluster` are kubeconfig, context, and namespace of Secrets."""
    return GivenSource(source, mount, ca_file, None if issuer is None else GivenIssuer(issuer, *cluster))


def _server_ca(given: GivenSource) -> bytes | None:
    """Return the CA of a URL's server, None for the system's."""
    path = str(given.ca_file or "") or (variable(os.environ, "CACERT") if given.mount is not None else "")
    return read_file(path) if path else None


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


def open_stores(given: GivenStores) -> list[TrustStore]:
    """Return the stores that the options name. Raises StoreNotUsable, RootRefused."""
    stores: list[TrustStore] = []
    for kind in dict.fromkeys(given.kinds or [StoreKind.SYSTEM]):
        if kind is StoreKind.SYSTEM:
            stores.append(SystemStore.of_this_machine())
        elif kind is StoreKind.NSS:
            stores += _nss(given.nss)
        else:
            stores.append(JavaStore(given.java or default_truststore(), _password(given.password_file)))
    return stores


def _nss(folders: Sequence[Path]) -> list[TrustStore]:
    found = list(folders) or databases(Path.home())
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
