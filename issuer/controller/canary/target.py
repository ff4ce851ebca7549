"""Targets of canaries: issuer, name and TLS endpoint, read from options without I/O."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from issuer.duration import parse_duration
from issuer.endpoint.address import BadEndpoint, EndpointAddress, parse_endpoint
from issuer.requests.issuers import BUILT_IN, IssuerKey, IssuerKind, IssuerKinds, IssuerNameError
from issuer.x509.chains.bundle import read_bundle
from issuer.x509.errors import InvalidCertificate

DURATION: Final = timedelta(hours=1)
"""The lifetime that is asked for. Nothing uses the certificate, so short; issuers refuse less."""
TIMEOUT: Final = 30.0
"""Seconds in which a request must be answered."""

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_DNS_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z)_?{_LABEL}(\.{_LABEL})*\Z")


class BadTarget(ValueError):
    """Options that can't be a canary; the message says what to write."""


@dataclass(frozen=True, slots=True)
class CanaryTarget:
    """One canary.

    Args:
        issuer: whom to ask.
        namespace: where the request is made; of a VaultIssuer always its own.
        dns_name: the one name asked for, and the one the endpoint must serve.
        endpoint: dialled after the certificate is verified; None leaves that out.
        duration: the lifetime asked for.
        timeout: seconds in which the request must be answered.
        roots_pem: CAs one of which must stand in the chain; empty trusts the CA of the answer.
    """

    issuer: IssuerKey
    namespace: str
    dns_name: str
    endpoint: EndpointAddress | None = None
    duration: timedelta = DURATION
    timeout: float = TIMEOUT
    roots_pem: str = ""
    issuer_kinds: IssuerKinds = BUILT_IN

    @property
    def kind(self) -> IssuerKind:
        """The kind of the issuer that is asked."""
        return self.issuer_kinds[self.issuer.kind]


def parse_issuer(text: str, kinds: IssuerKinds = BUILT_IN) -> IssuerKey:
    """Read `KIND/NAME` of a cluster issuer, or `KIND/NAMESPACE/NAME`. Raises BadTarget."""
    try:
        return kinds.parse(text)
    except IssuerNameError as error:
        raise BadTarget(str(error)) from error


def parse_canary_endpoint(text: str) -> EndpointAddress:
    """Read `host:port`, an IPv6 address in brackets. Raises BadTarget."""
    try:
        return parse_endpoint(text)
    except BadEndpoint as error:
        raise BadTarget(str(error)) from error


def parse_dns_name(text: str) -> str:
    """One DNS name in lower case, without a wildcard. Raises BadTarget."""
    if not _DNS_NAME.match(text):
        raise BadTarget(f"{text!r} is not a DNS name in lower case, such as canary.lab.example.com")
    return text


def parse_life(text: str) -> timedelta:
    """A lifetime as in `spec.duration`, such as `1h`. Raises BadTarget."""
    try:
        life = parse_duration(text)
    except ValueError as error:
        raise BadTarget(f"duration: {error}") from error
    if life < timedelta(minutes=1):
        raise BadTarget(f"duration {text} is too short: ask for an hour, or what your policy allows")
    return life


def parse_roots(pem: str | bytes, name: str) -> str:
    """The CAs of a file as text, after a look at them; `name` is the file's. Raises BadTarget."""
    try:
        read_bundle(pem)
    except InvalidCertificate as error:
        raise BadTarget(f"{name}: {error}") from error
    return pem.decode("utf-8", "replace") if isinstance(pem, bytes) else pem


@dataclass(frozen=True, slots=True)
class CanaryOptions:
    """`vault-issuer controller`'s options about canaries, as they were written.

    `dns_names` and `endpoints` are `[ISSUER=]VALUE`: without an issuer, a name is for all of them that
    have none of their own, and an endpoint for the only one.
    """

    issuers: Sequence[str] = ()
    namespace: str = ""
    dns_names: Sequence[str] = ()
    endpoints: Sequence[str] = ()
    duration: str = "1h"
    timeout: float = TIMEOUT
    roots_pem: str = ""
    issuer_kinds: IssuerKinds = BUILT_IN

    def targets(self) -> tuple[CanaryTarget, ...]:
        """One target for each issuer. Raises BadTarget."""
        issuers = [parse_issuer(text, self.issuer_kinds) for text in self.issuers]
        if len(set(issuers)) < len(issuers):
            raise BadTarget("--canary names the same issuer twice")
        names, name = _by_issuer("--canary-dns-name", self.dns_names, issuers, self.issuer_kinds)
        endpoints, endpoint = _by_issuer("--canary-endpoint", self.endpoints, issuers, self.issuer_kinds)
        if endpoint and len(issuers) > 1:
            raise BadTarget(
                f"--canary-endpoint {endpoint} could be any issuer's: write it as KIND/NAME={endpoint}"
            )
        return tuple(self._target(key, names.get(key, name), endpoints.get(key, endpoint)) for key in issuers)

    def _target(self, issuer: IssuerKey, name: str, endpoint: str) -> CanaryTarget:
        if not name:
            raise BadTarget(
                f"--canary {'/'.join(filter(None, issuer))} needs a name to ask for: set --canary-dns-name"
            )
        return CanaryTarget(
            issuer,
            issuer.namespace or self.namespace,
            parse_dns_name(name),
            parse_canary_endpoint(endpoint) if endpoint else None,
            parse_life(self.duration),
            self.timeout,
            self.roots_pem,
            self.issuer_kinds,
        )


def _by_issuer(
    option: str, written: Sequence[str], issuers: Sequence[IssuerKey], kinds: IssuerKinds
) -> tuple[dict[IssuerKey, str], str]:
    """The values by issuer, and the one without an issuer, "" if there is none."""
    found: dict[IssuerKey, str] = {}
    common = ""
    for text in written:
        issuer, equals, value = text.rpartition("=")
        if not equals:
            if common:
                raise BadTarget(f"{option} is given twice without an issuer: write KIND/NAME={text}")
            common = value
            continue
        key = parse_issuer(issuer, kinds)
        if key not in issuers or key in found:
            raise BadTarget(
                f"{option} {text}: {'given twice' if key in found else 'no --canary names that issuer'}"
            )
        found[key] = value
    return found, common
