"""Endpoints dialled as clients do, many at a time, and judged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from issuer.endpoint.address import EndpointAddress
from issuer.endpoint.dialing import SECONDS, DialOptions, SocketAddress, dial_address, dial_every
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.endpoint.served import Served
from issuer.inspection.request.contents import key_text
from issuer.pki.health.fetching import URLReader
from issuer.text import rfc3339
from issuer.verifying.findings import EndpointFinding
from issuer.verifying.judging import EndpointRules, failure_finding, judged, not_pinned
from issuer.verifying.names import covers, names_of
from issuer.verifying.revocation import revocations
from issuer.x509.certificates import Certificate, decoded
from issuer.x509.chains.links import is_root
from issuer.x509.describe import fingerprint, issuer_text, serial_hex, subject_text
from issuer.x509.keys.public import read_key

AT_ONCE: Final = 16
"""Endpoints that are dialled at a time; each has up to 16 addresses."""


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """Report on one endpoint, at some of its addresses, all of which serve alike.

    `served` is None where nothing was seen.
    """

    endpoint: EndpointAddress
    name: str
    addresses: tuple[str, ...]
    served: Served | None
    findings: tuple[EndpointFinding, ...]
    now: datetime

    @property
    def problems(self) -> tuple[EndpointFinding, ...]:
        """Findings for which clients fail, or soon will."""
        return tuple(one for one in self.findings if one.is_problem)

    @property
    def warnings(self) -> tuple[EndpointFinding, ...]:
        """Findings that deserve a look."""
        return tuple(one for one in self.findings if not one.is_problem)

    @property
    def root(self) -> Certificate | None:
        """The CA by which it verifies, None if it doesn't."""
        return self.served.verified[-1] if self.served is not None and self.served.verified else None

    @property
    def life_left(self) -> float:
        """Share of the certificate's life that is left, from 0 to 1."""
        if self.served is None:
            return 0.0
        begin, end = self.served.leaf.not_valid_before_utc, self.served.leaf.not_valid_after_utc
        return min(1.0, max(0.0, (end - self.now) / (end - begin))) if end > begin else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        served = self.served
        return {
            "endpoint": str(self.endpoint),
            "serverName": self.name,
            "startTLS": None if self.endpoint.start is None else self.endpoint.start.value,
            "addresses": list(self.addresses),
            "ok": not self.problems,
            "protocol": (served.protocol or None) if served is not None else None,
            "certificate": None if served is None else self._certificate(served.leaf),
            "chain": [] if served is None else [_ca_json(one) for one in served.chain[1:]],
            "verifiedBy": None if self.root is None else _ca_json(self.root),
            "problems": [one.to_json() for one in self.problems],
            "warnings": [one.to_json() for one in self.warnings],
        }

    def _certificate(self, leaf: Certificate) -> dict[str, Any]:
        return {
            "names": names_of(leaf),
            "coversName": covers(leaf, self.name),
            "subject": subject_text(leaf),
            "issuer": issuer_text(leaf),
            "serial": serial_hex(leaf),
            "sha256": fingerprint(leaf),
            "key": key_of(leaf),
            "notBefore": rfc3339(leaf.not_valid_before_utc),
            "notAfter": rfc3339(leaf.not_valid_after_utc),
            "secondsLeft": int((leaf.not_valid_after_utc - self.now).total_seconds()),
            "lifeLeft": round(self.life_left, 4),
        }


def key_of(certificate: Certificate) -> str:
    """Return the algorithm and size of a certificate's key, "" where it can't be read."""
    known = decoded(certificate)
    return "" if known is None else key_text(read_key(known.public_key()))


def _ca_json(ca: Certificate) -> dict[str, Any]:
    return {
        "subject": subject_text(ca),
        "sha256": fingerprint(ca),
        "notAfter": rfc3339(ca.not_valid_after_utc),
        "isRoot": is_root(ca),
    }


@dataclass(frozen=True, slots=True)
class EndpointRun:
    """One run: what must hold at all endpoints, seconds for each address, what asks for revocations (None:
    nobody), and the time."""

    rules: EndpointRules
    now: datetime
    seconds: float = SECONDS
    reader: URLReader | None = None

    async def every(self, endpoints: Sequence[EndpointAddress]) -> list[EndpointReport]:
        """Dial endpoints, each with all its addresses, and return reports in the endpoints' order."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(endpoint: EndpointAddress) -> list[EndpointReport]:
            async with slots:
                return await self._reports(endpoint)

        found = await asyncio.gather(*map(one, endpoints))
        return [report for reports in found for report in reports]

    async def _reports(self, endpoint: EndpointAddress) -> list[EndpointReport]:
        name, trust = self.rules.name(endpoint), self.rules.trust
        options = DialOptions(
            name,
            None if trust.pins else trust.roots,
            self.seconds,
            trusts_system=trust.roots is None,
            checks_name=False,
        )
        try:
            found = await dial_every(endpoint, options)
        except DialFailed as error:
            return [EndpointReport(endpoint, name, (), None, (failure_finding(error),), self.now)]
        if not found:
            failed = DialFailed(DialCode.UNRESOLVED, "the name has no address")
            return [EndpointReport(endpoint, name, (), None, (failure_finding(failed),), self.now)]
        if trust.pins:
            found = {one: await self._pinned(endpoint, one, seen, name) for one, seen in found.items()}
        return [await self._report(endpoint, name, alike, found) for alike in _grouped(found)]

    async def _pinned(
        self, endpoint: EndpointAddress, address: SocketAddress, seen: Served | DialFailed, name: str
    ) -> Served | DialFailed:
        """Dial again, and trust what was sent with a fingerprint that was given."""
        anchors = () if isinstance(seen, DialFailed) else self.rules.trust.sent(seen.chain)
        if not anchors:
            return seen
        try:
            return await dial_address(
                endpoint, address, DialOptions(name, anchors, self.seconds, checks_name=False)
            )
        except DialFailed as error:
            return error

    async def _report(
        self,
        endpoint: EndpointAddress,
        name: str,
        alike: Sequence[SocketAddress],
        found: Mapping[SocketAddress, Served | DialFailed],
    ) -> EndpointReport:
        result = found[alike[0]]
        failed = result if isinstance(result, DialFailed) else None
        served = result if isinstance(result, Served) else result.served
        addresses = tuple(map(str, alike))
        if served is None and failed is not None:
            # A name such as localhost has addresses at which nobody listens.
            is_alone = failed.code is not DialCode.UNREACHABLE or not any(
                isinstance(one, Served) or one.served is not None for one in found.values()
            )
            findings = [failure_finding(failed, is_problem=is_alone)]
        elif served is not None:
            findings = list(judged(served, failed, name, self.rules, self.now))
            if failed is None and self.rules.trust.pins and not served.verified:
                findings.insert(0, not_pinned(self.rules.trust.pins))
            if self.reader is not None:
                # Of a chain that doesn't verify no URL is asked: anybody may have written it.
                findings += [one async for one in revocations(self.reader, served.verified, self.now)]
        served = None if served is None else replace(served, peer=addresses[0])
        return EndpointReport(endpoint, name, addresses, served, tuple(findings), self.now)


def _grouped(found: Mapping[SocketAddress, Served | DialFailed]) -> list[list[SocketAddress]]:
    """Return the addresses by what they serve, in the system's order."""
    groups: dict[object, list[SocketAddress]] = {}
    for address, result in found.items():
        if isinstance(result, DialFailed):
            chain = () if result.served is None else result.served.chain
            key: object = (result.code, result.detail, chain)
        else:
            key = (result.chain, result.protocol, result.verified)
        groups.setdefault(key, []).append(address)
    return list(groups.values())
