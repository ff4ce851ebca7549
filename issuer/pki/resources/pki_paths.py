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
    "issuer/+/issue/*",
    "issuer/+/sign/*",
    "issuer/+/sign-verbatim",
    "issuer/+/sign-verbatim/*",
    "acme/*",
    "issuer/+/acme/*",
    "roles/+/acme/*",
    "issuer/+/roles/+/acme/*",
    # Certificates that another CA's key, or this one's, signs as they are.
    "root/sign-self-issued",
    "issuer/+/sign-self-issued",
    "issuer/+/resign-crls",
    "issuer/+/sign-revocation-list",
    # New CAs, keys, and the removal of old ones.
    "root",
    "root/generate/*",
    "root/rotate/*",
    "root/replace",
    "issuers/generate/*",
    "issuers/import/*",
    "intermediate/*",
    "keys/generate/*",
    "keys/import",
    "key/*",
    "config/ca",
    "config/keys",
    "config/issuers",
)
"""Paths that a protected mount denies: all that signs anything but a CA's request, imports, or removes."""

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
