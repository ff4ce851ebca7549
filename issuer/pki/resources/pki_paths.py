"""Paths of a PKI mount and what each does; read from path-help of OpenBao 2.7.2 and Vault's documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

PROTECTED: Final = (
    # Leaves.
    "issue/*",
    "sign/*",
    "sign-verbatim",
    "sign-verbatim/*",
    "cel/*",
    "issuer/+/issue/*",
    "issuer/+/sign/*",
    "issuer/+/sign-verbatim",
    "issuer/+/sign-verbatim/*",
    "acme/*",
    "eab",
    "eab/*",
    "issuer/+/acme/*",
    "roles/+/acme/*",
    "issuer/+/roles/*",
    # CAs below this one.
    "root/sign-intermediate",
    "issuer/+/sign-intermediate",
    # What this CA's key signs as it is given.
    "root/sign-self-issued",
    "issuer/+/sign-self-issued",
    "issuer/+/sign-revocation-list",
    "issuer/+/resign-crls",
    # Keys and CAs, new and old, and what they may be used for.
    "root",
    "root/generate/*",
    "root/rotate/*",
    "root/replace",
    "intermediate/*",
    "issuers/generate/*",
    "issuers/import/*",
    "issuer/+",
    "keys/*",
    "key/*",
    "config/*",
    "roles/*",
    # Revocation and its lists.
    "revoke",
    "revoke-with-key",
    "issuer/+/revoke",
    "crl/rotate",
    "crl/rotate-delta",
    "tidy",
    "tidy-cancel",
)
"""Paths that a protected mount denies: all that signs, makes, imports, changes or removes. Grants of the
generated policy itself go before."""

UNPROTECTED: Final = (
    "ca",
    "ca/pem",
    "ca_chain",
    "cert/+",
    "cert/+/raw",
    "cert/+/raw/pem",
    "certs",
    "certs/detailed",
    "certs/revoked",
    "crl",
    "crl/pem",
    "crl/delta",
    "crl/delta/pem",
    "issuers",
    "keys",
    "issuer/+/json",
    "issuer/+/der",
    "issuer/+/pem",
    "issuer/+/crl",
    "issuer/+/crl/pem",
    "issuer/+/crl/der",
    "issuer/+/crl/delta",
    "issuer/+/crl/delta/pem",
    "issuer/+/crl/delta/der",
    "ocsp",
    "ocsp/*",
    "roles",
    "tidy-status",
)
"""Paths that only read, most of them without a token."""

READABLE: Final[Mapping[str, tuple[str, ...]]] = {
    "ca": ("read",),
    "ca_chain": ("read",),
    "cert/*": ("read",),
    "certs": ("list",),
    "crl": ("read",),
    "issuers": ("list",),
    "issuer/+": ("read",),
    "roles": ("list",),
    "roles/+": ("read",),
    "config/*": ("read",),
}
