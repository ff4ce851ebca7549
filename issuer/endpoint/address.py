"""Addresses of TLS endpoints, read from text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class BadEndpoint(ValueError):
    """A text that is no endpoint; the message says what to write."""


class StartTls(StrEnum):
    """Protocols in which TLS begins only after some words in the clear."""

    SMTP = "smtp"
    IMAP = "imap"
    POP3 = "pop3"
    LDAP = "ldap"
    POSTGRES = "postgres"
    MYSQL = "mysql"


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """A TLS server: `host` is a name or an IP address; `start` is None where TLS begins at once."""

    host: str
    port: int
    start: StartTls | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_endpoint(text: str, start: StartTls | None = None) -> EndpointAddress:
    """Read `host:port`, an IPv6 address in brackets. Raises BadEndpoint."""
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not bare or (":" in bare and bare == host) or not (port.isascii() and port.isdecimal()):
        raise BadEndpoint(f"{text!r} is not host:port; write for example www.example.com:443")
    if not 0 < int(port[:6]) < 65536:
        raise BadEndpoint(f"{text!r}: a port is a number from 1 to 65535")
    return EndpointAddress(bare, int(port), start)
