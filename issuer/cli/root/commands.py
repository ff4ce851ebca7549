"""`vault-issuer root`: an offline root kept as files; options in, what was done and exit code out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from issuer.cli.help import Commands
from issuer.cli.options import Format, OutputFormat, Yes
from issuer.cli.output import print_data, print_error, report_bad_input
from issuer.cli.root.options import (
    Ceremony,
    CRLUrls,
    Dir,
    DryRun,
    Exclude,
    IssuerUrls,
    Life,
    PassphraseFiles,
    PathLength,
    Permit,
    Today,
)

REFUSED: Final = 1
BAD_INPUT: Final = 2

app = Commands(
    name="root",
    help="""An offline root CA, kept as files: signs CAs and CRLs on a machine without a network.

    Examples:
      vault-issuer root init --common-name "Example Root CA" --two-passphrases
      vault-issuer root sign env.csr --lifetime 3y
      vault-issuer root crl --lifetime 1y
      vault-issuer root passphrase
      vault-issuer root verify
    """,
)


@app.command("init")
def init(
    folder: Dir = Path("root"),
    file: Ceremony = None,
    common_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Common name of a new root.")
    ] = None,
    organization: Annotated[str | None, typer.Option(metavar="NAME", help="Its organization.")] = None,
    country: Annotated[str | None, typer.Option(metavar="CC", help="Its country, two letters.")] = None,
    key: Annotated[str | None, typer.Option(metavar="KIND", help="ec-p384 (default) or rsa-4096.")] = None,
    lifetime: Life = None,
    path_length: PathLength = None,
    permit: Permit = None,
    exclude: Exclude = None,
    crl_url: CRLUrls = None,
    issuer_url: IssuerUrls = None,
    crl_lifetime: Life = None,
    two_passphrases: Annotated[
        bool, typer.Option("--two-passphrases", help="Two people: each types one, neither can sign alone.")
    ] = False,
    passphrase_file: PassphraseFiles = None,
    from_key: Annotated[Path | None, typer.Option(help="Take over the root with this key; PEM.")] = None,
    from_certificate: Annotated[Path | None, typer.Option(help="Its certificate; PEM.")] = None,
    from_crl: Annotated[Path | None, typer.Option(help="Its last CRL; PEM or DER.")] = None,
    from_issued: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Certificate of a CA that it signed; PEM. Repeatable."),
    ] = None,
    from_passphrase_file: Annotated[
        Path | None, typer.Option(help="File with the passphrase of --from-key. Default: ask.")
    ] = None,
    today: Today = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Make a root, or take one over from OpenSSL, easy-rsa or step: key, certificate, ledger in a folder.

    The key is encrypted with scrypt and AES-256. The folder comes whole or not at all, and a
    root is never replaced.

    Exit codes: 0 made, 1 refused, 2 bad input.

    Examples:

      vault-issuer root init --common-name "Example Root CA" --two-passphrases

      vault-issuer root init -f ceremony.yaml

      vault-issuer root init --from-key ca.key --from-certificate ca.crt
    """
    from issuer.cli.root.making import Sources, make_root
    from issuer.cli.root.results import ActOptions
    from issuer.cli.root.wishes import ca_fields, given, root_wish

    sources = Sources(from_key, from_certificate, from_crl, tuple(from_issued or ()), from_passphrase_file)
    subject = {"commonName": common_name, "organization": [organization] if organization else None}
    options = {
        "subject": given({**subject, "country": country}),
        "key": key,
        "passphrases": 2 if two_passphrases else None,
        "crlLifetime": crl_lifetime,
    }
    with _reported(output):
        fields = ca_fields(lifetime, path_length, (permit, exclude), crl_url, issuer_url)
        wish = root_wish(file, given({**options, **fields}))
        how = ActOptions(passphrase_file or [], _now(), _day(today))
        made = make_root(folder, wish, sources, how)
        _printed(made.report, made.lines, output)


@app.command("inspect")
def inspect(
    what: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="A CSR or certificate (PEM) to read aloud instead.")
    ] = None,
    folder: Dir = Path("root"),
    output: Format = OutputFormat.TABLE,
) -> None:
    """Show a root, what it signed, its CRL and the head of its ledger; or a CSR or certificate.

    Needs no passphrase. Of a CSR it shows the SHA-256 of the key in groups: read it aloud on both sides.

    A damaged root is shown with what was found, and without the head, which is not to be written down then.

    Exit codes: 0 shown; 1 damage, or there is no root that can be trusted; 2 bad input.

    Examples:

      vault-issuer root inspect

      vault-issuer root inspect env.csr
    """
    from issuer.cli.root.looking import inspected

    with _reported(output):
        shown = inspected(folder, what, _now())
        _printed(shown.report, shown.lines, output)
        raise typer.Exit(shown.code)


@app.command("sign")
def sign(
    csr: Annotated[Path | None, typer.Argument(metavar="CSR", help="CSR of a CA, or a root; PEM.")] = None,
    folder: Dir = Path("root"),
    file: Ceremony = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificate and root, PEM. Default: the CSR's name with .pem."),
    ] = None,
    spki_sha256: Annotated[
        str | None, typer.Option("--spki-sha256", metavar="HEX", help="The key's SHA-256, as read aloud.")
    ] = None,
    lifetime: Life = None,
    path_length: PathLength = None,
    permit: Permit = None,
    exclude: Exclude = None,
    crl_url: CRLUrls = None,
    issuer_url: IssuerUrls = None,
    ignore_extension: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Sign without this extension of the CSR. Repeatable."),
    ] = None,
    renew: Annotated[
        bool, typer.Option("--renew", help="Sign a second certificate for the same key.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask; needs --spki-sha256.")] = False,
    passphrase_file: PassphraseFiles = None,
    dry_run: DryRun = False,
    today: Today = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Sign the CSR of a CA: shown, checked, agreed to, then signed and kept in the ledger.

    Of the CSR only subject and key are signed. The same CSR gets the same certificate again, not a second
    one. With a ceremony file and no CSR all of the file's CSRs are signed, by their paths from that file.

    Another root's certificate in place of a CSR is cross-signed: clients of this root then verify what stands
    below the other. That takes a root with a path length of 2 or more, or none.

    Exit codes: 0 signed, or given again; 1 refused, 2 bad input.

    Examples:

      vault-issuer root sign env.csr --lifetime 3y --permit DNS:example.test

      vault-issuer root sign env.csr --dry-run

      vault-issuer root sign root-2.pem --path-length 1 --lifetime 5y --out root-2-by-1.pem

      vault-issuer root sign -f ceremony.yaml
    """
    from issuer.cli.root.results import ActOptions
    from issuer.cli.root.signing import sign_all
    from issuer.cli.root.wishes import ca_fields, given, sign_wishes

    options = {
        "request": None if csr is None else str(csr),
        "certificate": None if out is None else str(out),
        "spkiSHA256": spki_sha256,
        "ignoredExtensions": ignore_extension,
        "renew": renew or None,
    }
    with _reported(output):
        fields = ca_fields(lifetime, path_length, (permit, exclude), crl_url, issuer_url)
        wishes = sign_wishes(file, given({**options, **fields}))
        how = ActOptions(passphrase_file or [], _now(), _day(today), yes, dry_run)
        done = sign_all(folder, wishes, how, quiet=output is not OutputFormat.TABLE)
        _printed(done.report, done.lines, output)


@app.command("crl")
def crl(
    folder: Dir = Path("root"),
    file: Ceremony = None,
    revoke: Annotated[
        list[str] | None,
        typer.Option(metavar="SERIAL", help="Revoke the CA with this serial, in hex. Repeatable."),
    ] = None,
    revoke_certificate: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Revoke this CA, which the root signed without this ledger; PEM. Repeatable."
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(metavar="REASON", help="keyCompromise, cACompromise, superseded, ...")
    ] = None,
    lifetime: Life = None,
    number: Annotated[int | None, typer.Option(help="Its number. Default: the last one's and 1.")] = None,
    publish: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also copy what is public there, for a web server.")
    ] = None,
    yes: Yes = False,
    passphrase_file: PassphraseFiles = None,
    dry_run: DryRun = False,
    today: Today = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Make the next CRL, and revoke CAs by it; public/ then has it as DER, as PEM and in a ConfigMap.

    Make one before the last expires, also when nothing was revoked: readers of CRLs refuse all CAs after it.

    Exit codes: 0 made, 1 refused, 2 bad input.

    Examples:

      vault-issuer root crl --lifetime 1y

      vault-issuer root crl --revoke 1f0a3c55 --reason cACompromise --publish /srv/www/pki
    """
    from issuer.cli.root.crls import next_crl, revoked_certificates
    from issuer.cli.root.results import ActOptions
    from issuer.cli.root.wishes import crl_wish, given

    if reason is not None and not revoke and not revoke_certificate:
        raise typer.BadParameter("--reason needs --revoke or --revoke-certificate.")
    options = {
        "lifetime": lifetime,
        "number": number,
        "revoke": [given({"serial": one, "reason": reason}) for one in revoke] if revoke else None,
    }
    with _reported(output):
        wish = revoked_certificates(revoke_certificate or [], reason, crl_wish(file, given(options)))
        how = ActOptions(passphrase_file or [], _now(), _day(today), yes, dry_run)
        done = next_crl(folder, wish, how, publish, quiet=output is not OutputFormat.TABLE)
        _printed(done.report, done.lines, output)


@app.command("passphrase")
def passphrase(
    folder: Dir = Path("root"),
    passphrase_file: PassphraseFiles = None,
    new_passphrase_file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="File whose first line is the new passphrase, mode 600; twice for two people. Default: ask.",
        ),
    ] = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Change the passphrase of a root: the old one, then the new one, which is typed twice.

    The key's file is replaced as a whole and keeps its mode and owner; nothing else is written, and the
    ledger's head stays. A root for two people stays one: whoever keeps a passphrase types it again as the new
    one. Copies of the folder are opened by the old passphrase still.

    Exit codes: 0 changed; 1 refused, such as a wrong passphrase; 2 bad input.

    Examples:

      vault-issuer root passphrase

      vault-issuer root passphrase --dir old --passphrase-file old.txt --new-passphrase-file new.txt
    """
    from issuer.cli.root.making import change_passphrase

    with _reported(output):
        done = change_passphrase(folder, passphrase_file or [], new_passphrase_file or [], _now())
        _printed(done.report, done.lines, output)


@app.command("verify")
def verify(
    folder: Dir = Path("root"),
    head: Annotated[
        str | None,
        typer.Option(metavar="NUMBER:SHA256", help="Head that was written down; it must be in the ledger."),
    ] = None,
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Also decrypt the key and compare it with the certificate.")
    ] = False,
    passphrase_file: PassphraseFiles = None,
    output: Format = OutputFormat.TABLE,
) -> None:
    """Check ledger, certificates, CRL and file modes; write nothing.

    The ledger alone can't show that its last entries were cut off: give the --head that was written down.

    Exit codes: 0 all is well; 1 damage; 2 bad input; 3 an interruption left something that the next command
    mends, or something is due, such as a CRL.

    Examples:

      vault-issuer root verify

      vault-issuer root verify --head 5:1f0a3c55d2e8b7a4 --with-key
    """
    from issuer.cli.root.looking import verified

    with _reported(output):
        found = verified(folder, head, with_key, passphrase_file or [], _now())
        _printed(found.report, found.lines, output)
        raise typer.Exit(found.code)


def _now() -> datetime:
    return datetime.now(UTC)


def _day(text: str | None) -> date | None:
    from issuer.manifests.errors import BadInput

    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise BadInput("--today is no day; write it as 2027-03-31") from error


def _printed(report: Any, lines: Sequence[str], output: OutputFormat) -> None:
    if output is not OutputFormat.TABLE:
        print_data(report, output)
        return
    for line in lines:
        typer.echo(line)


@contextmanager
def _reported(output: OutputFormat) -> Iterator[None]:
    """End the command with code 1 on a refusal, 2 on bad input, with the message on standard error."""
    from issuer.root.errors import RootRefusal

    with report_bad_input(BAD_INPUT):
        try:
            yield
        except RootRefusal as error:
            if output is not OutputFormat.TABLE:
                print_data({"refused": error.reason.value, "message": str(error)}, output)
            print_error(error)
            raise typer.Exit(REFUSED) from error
