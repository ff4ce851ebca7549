"""`vault-issuer trust`: roots of a CA in the trust stores of this machine."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer

from issuer.cli.help import Commands
from issuer.cli.options import ClusterChoice, Context, Format, Kubeconfig, OutputFormat
from issuer.cli.output import print_error
from issuer.cli.streams import finished_without_output
from issuer.cli.trust.options import (
    BAD_INPUT,
    FAILED,
    CAFile,
    Fingerprints,
    Home,
    Issuer,
    Mount,
    NSSFolders,
    PasswordFile,
    Plan,
    ShowFormat,
    Source,
    Stores,
    Truststore,
)

app = Commands(
    name="trust",
    help="""Roots of a CA in the trust stores of this machine: of the system, browsers and Java.

    Examples:
      vault-issuer trust show --mount pki
      vault-issuer trust install --mount pki --sha256 HEX
      vault-issuer trust list
      vault-issuer trust remove --ended
    """,
)


@app.command("show")
def show(
    source: Source = None,
    mount: Mount = None,
    issuer: Issuer = None,
    sha256: Fingerprints = None,
    ca_file: CAFile = None,
    output: Annotated[
        ShowFormat, typer.Option("--output", "-o", help="pem: the good roots alone, to be kept as a file.")
    ] = ShowFormat.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    cluster_resource_namespace: Home = None,
) -> None:
    """Show roots and CAs of a file, a URL, a PKI mount or an issuer: subject, fingerprint, end.

    With --sha256 only these, and the server that is asked needs no trust.

    Exit codes: 0 shown; 2 bad input, no answer, or no such certificate.

    Examples:

      vault-issuer trust show --mount pki

      vault-issuer trust show --issuer VaultClusterIssuer/vault

      vault-issuer trust show https://ca.example.com:9000/roots.pem --sha256 HEX -o pem
    """
    # Imported here so that --help and completion stay quick.
    from issuer.cli.trust.opening import GivenSource, find_certificates, reported
    from issuer.cli.trust.out import print_certificates
    from issuer.x509.describe import fingerprint

    now, cluster = datetime.now(UTC), ClusterChoice(kubeconfig, context)
    given = GivenSource(source, mount, issuer, sha256, ca_file, cluster, cluster_resource_namespace)
    with reported():
        found = find_certificates(given)
        if found.wanted or output is ShowFormat.PEM:
            roots = found.roots(now)
            if output is ShowFormat.PEM:
                sys.stdout.write("".join(root.pem for root in roots))
                return
        certificates, wanted = found.bundle.certificates, found.wanted
        shown = [one for one in certificates if not wanted or fingerprint(one) in wanted]
        print_certificates(shown, found.bundle.left_out, now, OutputFormat(output.value))


@app.command("install")
def install(
    source: Source = None,
    mount: Mount = None,
    issuer: Issuer = None,
    sha256: Fingerprints = None,
    ca_file: CAFile = None,
    store: Stores = None,
    nss_dir: NSSFolders = None,
    java_truststore: Truststore = None,
    java_password_file: PasswordFile = None,
    plan: Plan = False,
    output: Format = OutputFormat.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    cluster_resource_namespace: Home = None,
) -> None:
    """Put roots into trust stores, and say "installed" once their consumers trust them.

    A root is proven by its fingerprint, given by --sha256 or typed by a person: TLS alone proves none. Roots
    that are there stay, old ones beside new ones. What a store refuses is taken away again.

    Exit codes: 0 all stores trust all of them, or the plan was shown; 1 a store doesn't; 2 bad input, no such
    root, one that must not be trusted, or a store that can't be written: nothing was.

    Examples:

      vault-issuer trust install root.crt --plan

      vault-issuer trust install --mount pki --sha256 HEX --store system --store java

      vault-issuer trust install root.crt --sha256 HEX --store nss
    """
    from issuer.cli.trust.opening import GivenSource, confirm, find_certificates, open_stores, reported
    from issuer.cli.trust.out import print_steps
    from issuer.trust.installing import apply, plan_install

    cluster = ClusterChoice(kubeconfig, context)
    given = GivenSource(source, mount, issuer, sha256, ca_file, cluster, cluster_resource_namespace)
    with reported():
        stores = open_stores(store, nss_dir, java_truststore, java_password_file)
        found = find_certificates(given)
        roots = found.roots(datetime.now(UTC))
        steps = plan_install(stores, roots)
        if not plan and not found.wanted:
            confirm(roots)
        with finished_without_output():
            failed = print_steps(steps if plan else apply(steps), output)
    raise typer.Exit(FAILED if failed else 0)


@app.command("list")
def list_installed(
    store: Stores = None,
    nss_dir: NSSFolders = None,
    java_truststore: Truststore = None,
    java_password_file: PasswordFile = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """List the roots that this command put into trust stores.

    Exit codes: 0 listed; 1 consumers of a store don't trust one; 2 bad input, or a store that can't be read.

    Examples:

      vault-issuer trust list --store system --store nss
    """
    from issuer.cli.trust.opening import open_stores, reported
    from issuer.cli.trust.out import print_steps
    from issuer.trust.installing import look

    with reported():
        stores = open_stores(store, nss_dir, java_truststore, java_password_file)
        names = ", ".join(one.name for one in stores)
        none = f"No root that this command put there is in {names} (other stores: --store)."
        failed = print_steps(look(stores, datetime.now(UTC)), output, none)
    raise typer.Exit(FAILED if failed else 0)


@app.command("remove")
def remove(
    sha256: Fingerprints = None,
    ended: Annotated[bool, typer.Option("--ended", help="Those that have ended.")] = False,
    every: Annotated[bool, typer.Option("--all", help="All that this command put there.")] = False,
    store: Stores = None,
    nss_dir: NSSFolders = None,
    java_truststore: Truststore = None,
    java_password_file: PasswordFile = None,
    plan: Plan = False,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Take roots away that this command put into trust stores; roots of others stay.

    Exit codes: 0 removed, nothing to do, or the plan was shown; 1 a store failed, or trusts one still, as
    somebody else put it there, too; 2 bad input, or a store that can't be written: nothing was.

    Examples:

      vault-issuer trust remove --ended --plan

      vault-issuer trust remove --sha256 HEX --store system --store java
    """
    from issuer.cli.trust.opening import open_stores, reported
    from issuer.cli.trust.out import print_steps
    from issuer.trust.installing import apply, plan_removal
    from issuer.trust.roots import parse_fingerprint

    if not (sha256 or ended or every):
        print_error("say which: --sha256, --ended or --all")
        raise typer.Exit(BAD_INPUT)
    with reported():
        wanted = [parse_fingerprint(one) for one in sha256 or ()]
        stores = open_stores(store, nss_dir, java_truststore, java_password_file)
        steps = plan_removal(stores, wanted, datetime.now(UTC), ended=ended, every=every)
        with finished_without_output():
            failed = print_steps(steps if plan else apply(steps), output)
    raise typer.Exit(FAILED if failed else 0)
