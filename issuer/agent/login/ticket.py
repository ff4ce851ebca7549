"""One line of text that brings a machine all that it needs to begin: server, CA, role, names, and a wrapped
secret ID.

The line is JSON in base64url. Its one secret works once, and not for long.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints, ValidationError

from issuer.agent.errors import AgentError
from issuer.manifests.checked import StrictModel
from issuer.text import parse_rfc3339

HOST_PREFIX: Final = "host-"
"""The start of the names that enrolment gives to roles and policies."""
MAX_COMMON_NAME: Final = 64
_LABEL: Final = "vi1."
_MAX_CHARS: Final = 64 * 1024

HostName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]


class ServerTrust(StrEnum):
    """CAs by which a machine trusts the server."""

    ROOT = "root"
    """The root of the mount itself, fetched at the first contact and known by its fingerprint."""
    GIVEN = "given"
    """Those in the ticket."""
    SYSTEM = "system"


class Ticket(StrictModel):
    """Ticket that enrolment gives a machine. `ca` is PEM, empty unless `trust` is GIVEN."""

    server: str
    server_name: str = ""
    namespace: str = ""
    host: HostName
    mount: str
    path: str
    dns_names: tuple[str, ...] = ()
    ip_addresses: tuple[str, ...] = ()
    ttl_seconds: int
    app_role_mount: str
    role_name: str
    role_id: str
    cert_mount: str = ""
    root_fingerprint: str
    trust: ServerTrust
    ca: str = ""
    wrapped: str = Field(repr=False)
    creation_path: str
    deadline: str

    def line(self) -> str:
        """Return the ticket as one line."""
        return _LABEL + urlsafe_b64encode(self.model_dump_json(by_alias=True).encode()).decode().rstrip("=")


def common_name(dns_names: Sequence[str]) -> str:
    """Return the common name of a machine's certificate; empty if no name is short enough (RFC 5280: 64).

    A name with `*` is taken only if there is no other: as the name of a certificate login it would match any.
    """
    short = [name for name in dns_names if len(name) <= MAX_COMMON_NAME]
    return next((name for name in short if "*" not in name), short[0] if short else "")


def read_ticket(text: str) -> Ticket:
    """Read a line that `Ticket.line` wrote. Raises AgentError."""
    line = "".join(text.split())
    if not line.startswith(_LABEL) or len(line) > _MAX_CHARS:
        raise AgentError(
            "This is no ticket: paste the whole line that vault-issuer enroll printed, from vi1. to its end"
        )
    try:
        data = urlsafe_b64decode(line.removeprefix(_LABEL) + "===")
        found = Ticket.model_validate_json(data, by_alias=True)
        if found.deadline:
            parse_rfc3339(found.deadline)
        return found
    except (binascii.Error, ValueError, ValidationError) as error:
        raise AgentError(
            "The ticket is damaged: paste the whole line that vault-issuer enroll printed"
        ) from error


def enroll_again(role_name: str | None) -> str:
    """Return the command that gives this machine a new wrapped secret ID."""
    host = (role_name or "").removeprefix(HOST_PREFIX) or "HOST"
    return (
        f'"vault-issuer enroll --renew {host}" as an administrator, and type the line that it prints on '
        "this machine"
    )
