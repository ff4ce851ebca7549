"""Options that the commands of `vault-issuer trust` share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

FAILED: Final = 1
BAD_INPUT: Final = 2


class StoreKind(StrEnum):
    """Kind of a trust store."""

    SYSTEM = "system"
    NSS = "nss"
    JAVA = "java"


class ShowFormat(StrEnum):
    """Form of `trust show`."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    PEM = "pem"


Source = Annotated[
    str | None,
    typer.Argument(
        metavar="SOURCE", help="A PEM file, - for standard input, or a URL such as https://ca:9000/roots.pem."
    ),
]
Mount = Annotated[
    str | None,
    typer.Option(metavar="PATH", help="The CAs of this PKI mount of VAULT_ADDR, instead of SOURCE."),
]
Issuer = Annotated[
    str | None,
    typer.Option(
        metavar="KIND/[NAMESPACE/]NAME",
        help="The CAs of this issuer of the cluster, instead of SOURCE; it is tried with your rights, as "
        "explain does.",
    ),
]
Home = Annotated[
    str | None,
    typer.Option(
        "--cluster-resource-namespace",
        metavar="NAME",
        help="Namespace of the Secrets of cluster issuers. Default: the only controller's.",
    ),
]
Fingerprints = Annotated[
    list[str] | None,
    typer.Option(
        "--sha256",
        metavar="HEX",
        help="SHA-256 of a root, as the CA's owner gives it; the server needs no trust then. Repeatable.",
    ),
]
CAFile = Annotated[
    Path | None,
    typer.Option(help="CAs (PEM) to verify a URL's server with. Default: VAULT_CACERT, else the system's."),
]
Stores = Annotated[
    list[StoreKind] | None,
    typer.Option(
        "--store",
        help="system: OpenSSL, curl, Go, Python. nss: Chromium and Firefox of this user. java: a truststore. "
        "Repeatable. Default: system.",
    ),
]
NSSFolders = Annotated[
    list[Path] | None,
    typer.Option(
        "--nss-dir",
        metavar="DIR",
        help="Folder with a cert9.db, instead of those found in the home. Repeatable.",
    ),
]
Truststore = Annotated[
    Path | None,
    typer.Option(
        "--java-truststore", metavar="FILE", help="Default: cacerts of JAVA_HOME, or of the Java in PATH."
    ),
]
PasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--java-password-file",
        metavar="FILE",
        help="File whose first line is its password. Default: changeit.",
    ),
]
Plan = Annotated[bool, typer.Option("--plan", help="Show what would be done, and write nothing.")]
