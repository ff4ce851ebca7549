"""`vault-issuer verify`: TLS endpoints as their clients see them."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from issuer.cli.certificates.spans import expiring_within
from issuer.cli.help import Commands
from issuer.cli.options import ClusterChoice, Context, Kubeconfig, OutputFormat
from issuer.cli.output import print_data
from issuer.cli.trust.options import Home

if TYPE_CHECKING:
    from issuer.cli.trust.opening import GivenSource
    from issuer.endpoint.address import EndpointAddress
    from issuer.verifying.checking import EndpointReport, EndpointRun
    from issuer.verifying.judging import EndpointRules, ExpectedCertificate
    from issuer.verifying.trust import EndpointTrust

WRONG: Final = 1
BAD_INPUT: Final = 2
_WIDE_COLUMNS: Final = 500
_RIGHTS: Final = "That takes get of the Secret"

app = Commands(
    name="verify",
    help="""Verify what servers serve.

    Example:
      vault-issuer verify endpoint www.example.com:443
    """,
)


class StartTLSChoice(StrEnum):
    """Protocols in which TLS begins only after some words in the clear."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    LDAP = "ldap"
    POSTGRES = "postgres"
    MYSQL = "mysql"


class VerifyFormat(StrEnum):
    """Form of the result on standard output."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"


@app.command("endpoint")
def endpoint(
    endpoints: Annotated[
        list[str], typer.Argument(metavar="HOST:PORT...", help="TLS servers; an IPv6 address in brackets.")
    ],
    server_name: Annotated[
        str,
        typer.Option(metavar="NAME", help="Name that clients ask for, by SNI as well. Default: the host."),
    ] = "",
    starttls: Annotated[
        StartTLSChoice | None, typer.Option(help="TLS begins after some words of this protocol.")
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(help="CAs (PEM) that clients trust. Default: those of this machine (SSL_CERT_FILE)."),
    ] = None,
    mount: Annotated[
        str | None, typer.Option(metavar="PATH", help="Trust the roots of this PKI mount of VAULT_ADDR.")
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND/[NAMESPACE/]NAME",
            help="Trust the roots of this issuer of the cluster, which is tried with your rights.",
        ),
    ] = None,
    sha256: Annotated[
        list[str] | None,
        typer.Option(
            "--sha256",
            metavar="HEX",
            help="Trust this one of those CAs alone, or without them a certificate that is sent. Repeatable.",
        ),
    ] = None,
    expiring: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Fail if it, or a CA of its chain, ends within this: 7d, 12h."),
    ] = None,
    crl: Annotated[
        bool, typer.Option("--crl", help="Fail if it is revoked: by the CRL or OCSP that it names.")
    ] = False,
    file: Annotated[
        Path | None,
        typer.Option("--file", help="The certificate that must be served: the first of this PEM file."),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            metavar="[NAMESPACE/]NAME", help="The certificate that must be served: tls.crt of this Secret."
        ),
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", metavar="NAME", help="Namespace. Default: the kubeconfig's."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail for warnings, too: order, root, and what ends soon.")
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=300, help="Seconds for each address of an endpoint.")
    ] = 10.0,
    textfile: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write metrics there, for the textfile collector of Prometheus' node_exporter.",
        ),
    ] = None,
    output: Annotated[
        VerifyFormat,
        typer.Option("--output", "-o", help="table; wide has all columns; json and yaml have all."),
    ] = VerifyFormat.TABLE,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    home: Home = None,
) -> None:
    """Verify TLS endpoints as their clients do: name, chain as sent, root, end, and the right certificate.

    Each address of a name is dialled. Of --ca-file, --mount or --issuer the roots alone are trusted, so that
    a CA that the server forgets to send is missed, as most clients miss it; --sha256 names one of them, or
    a certificate that the server sends. --mount and --issuer find CAs as `vault-issuer trust` does. Nothing
    is sent after the handshake.

    Exit codes: 0 all is well; 1 something isn't, with --strict also warnings; 2 bad input.

    Examples:

      vault-issuer verify endpoint www.example.com:443 --expiring 7d

      vault-issuer verify endpoint www.example.com:443 --textfile /var/lib/node_exporter/www.prom

      vault-issuer verify endpoint 10.0.0.7:443 --server-name www.example.com --mount pki_int

      vault-issuer verify endpoint mail.example.com:25 --starttls smtp --ca-file root.pem -o json

      vault-issuer verify endpoint www.example.com:443 --secret shop/www-tls --issuer vaultclusterissuer/vault
    """
    from issuer.cli.trust.opening import GivenSource, reported

    with reported():
        from issuer.manifests.errors import BadInput
        from issuer.verifying.judging import EndpointRules

        dialled = [_endpoint(text, starttls) for text in endpoints]
        source = str(ca_file) if ca_file is not None else None
        if sum(one is not None for one in (source, mount, issuer)) > 1:
            raise BadInput("Give one of --ca-file, --mount and --issuer.")
        cluster = ClusterChoice(kubeconfig, context)
        given = GivenSource(source, mount, issuer, sha256, None, cluster, home)
        rules = EndpointRules(server_name, _trust(given), None, expiring_within(expiring, "7d or 12h"))
        expected = _expected(file, secret, namespace, kubeconfig, context)
        found = asyncio.run(_check(replace(rules, expected=expected), timeout, dialled, crl=crl))
    ok = not any(one.findings if strict else one.problems for one in found)
    _print(found, output, ok=ok)
    if textfile is not None:
        from issuer.verifying.textfile import write_textfile

        with reported():
            write_textfile(found, textfile)
    raise typer.Exit(0 if ok else WRONG)


def _endpoint(text: str, start: StartTLSChoice | None) -> EndpointAddress:
    """Return an endpoint. Raises BadInput."""
    from issuer.endpoint.address import BadEndpoint, StartTls, parse_endpoint
    from issuer.manifests.errors import BadInput

    try:
        return parse_endpoint(text, None if start is None else StartTls(start.value))
    except BadEndpoint as error:
        raise BadInput(str(error)) from error


def _trust(given: GivenSource) -> EndpointTrust:
    """Return what clients trust, as the options say it. Raises BadInput, TrustError, BadVariable."""
    from issuer.cli.trust.opening import find_certificates
    from issuer.manifests.errors import BadInput
    from issuer.trust.roots import parse_fingerprint
    from issuer.verifying.trust import EndpointTrust, NoSuchRoot

    pins = [parse_fingerprint(one) for one in given.sha256 or ()]
    trust = EndpointTrust()
    if given.source is not None:
        trust = _in_file(given.source)
    elif given.mount is not None or given.issuer is not None:
        found = find_certificates(given)
        trust = EndpointTrust.of(found.bundle.certificates, found.source)
    try:
        return trust.pinned(pins)
    except NoSuchRoot as error:
        raise BadInput(str(error)) from error


def _in_file(name: str) -> EndpointTrust:
    """Return the trust of a file, which may be a whole system's. Raises BadInput, TrustError."""
    from issuer.manifests.errors import BadInput
    from issuer.trust.sources import read_file
    from issuer.verifying.trust import EndpointTrust, read_authorities
    from issuer.x509.errors import InvalidCertificate

    try:
        return EndpointTrust.of(read_authorities(read_file(name)), name)
    except InvalidCertificate as error:
        raise BadInput(f'"{name}" can\'t be read: {error}') from error


def _expected(
    file: Path | None, secret: str | None, namespace: str | None, kubeconfig: str | None, context: str | None
) -> ExpectedCertificate | None:
    """Return the certificate that must be served, None for any. Raises BadInput, TrustError."""
    from issuer.manifests.errors import BadInput
    from issuer.trust.roots import read_source
    from issuer.trust.sources import read_file
    from issuer.verifying.judging import ExpectedCertificate

    if file is not None and secret is not None:
        raise BadInput("Give one of --file and --secret.")
    if file is not None:
        return ExpectedCertificate(str(file), read_source(read_file(str(file)), str(file)).certificates[0])
    if secret is None:
        return None
    name, pem = asyncio.run(_secret(secret, namespace, kubeconfig, context))
    return ExpectedCertificate(name, read_source(pem, name).certificates[0])


async def _secret(
    text: str, namespace: str | None, kubeconfig: str | None, context: str | None
) -> tuple[str, bytes]:
    """Return the name of a Secret for people, and its tls.crt. Raises BadInput."""
    from issuer.inspection.kinds import SECRET_KIND
    from issuer.inspection.target import chosen_target
    from issuer.kube.errors import NotFound
    from issuer.kube.resources import SECRETS
    from issuer.manifests.cluster import asking_cluster, check_namespace, open_client
    from issuer.manifests.errors import BadInput

    target = chosen_target(["secret", *text.split("/")], namespace, kubeconfig, context, [SECRET_KIND])
    async with open_client(kubeconfig, context) as client:
        with asking_cluster(_RIGHTS):
            try:
                found = await client.get(SECRETS, target.name, target.namespace)
            except NotFound as error:
                await check_namespace(client, target.namespace)
                raise BadInput(f"there is no {target.quoted}") from error
    content = str((found.get("data") or {}).get("tls.crt") or "")
    try:
        return f"secret/{target.namespace}/{target.name}", base64.b64decode(content, validate=True)
    except ValueError as error:
        raise BadInput(f"tls.crt of {target.quoted} is not base64") from error


async def _check(
    rules: EndpointRules, seconds: float, endpoints: list[EndpointAddress], *, crl: bool
) -> list[EndpointReport]:
    from issuer.verifying.checking import EndpointRun

    check = EndpointRun(rules, datetime.now(UTC), seconds)
    return await (_with_revocations(check, endpoints) if crl else check.every(endpoints))


async def _with_revocations(check: EndpointRun, endpoints: list[EndpointAddress]) -> list[EndpointReport]:
    from issuer.pki.health.fetching import url_reader
    from issuer.x509.certificates import write_certificates

    pem = write_certificates(check.rules.trust.roots or ()).encode()
    async with url_reader(pem) as reader:
        return await replace(check, reader=reader).every(endpoints)


def _print(found: list[EndpointReport], output: VerifyFormat, *, ok: bool) -> None:
    if output in (VerifyFormat.JSON, VerifyFormat.YAML):
        data = {"ok": ok, "endpoints": [one.to_json() for one in found]}
        print_data(data, OutputFormat(output.value))
        return
    from issuer.terminal.console import console
    from issuer.verifying.show import show_reports

    wide = output is VerifyFormat.WIDE
    show_reports(found, console(width=_WIDE_COLUMNS if wide else None), wide=wide)
