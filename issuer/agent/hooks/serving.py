"""An endpoint, until all of its workers show the new certificate."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.agent.config.consumers import EndpointCheck
from issuer.agent.hooks.errors import ConsumerRefused, HookFailed
from issuer.endpoint.dialing import DialOptions, dial_every
from issuer.endpoint.errors import DialCode, DialFailed
from issuer.endpoint.served import Served
from issuer.text import rfc3339

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0
_SPAN: Final = 0.3
"""Seconds over which a row of handshakes is spread. While a server reloads, old workers accept beside the
new ones: nginx's for 100 ms (src/os/unix/ngx_process_cycle.c, "allow new processes to start"), in which one
worker can take a whole row."""


@dataclass(frozen=True, slots=True)
class ServedCheck:
    """An endpoint, and the certificate that it has to serve."""

    check: EndpointCheck
    leaf: x509.Certificate
    has_chain: bool
    """True if CAs have to be sent, too."""


@dataclass(frozen=True, slots=True)
class _NotServed:
    """Reason why an endpoint doesn't show its certificate yet; silence tells nothing about the files."""

    text: str
    is_silence: bool = False


async def verify_served(
    checks: Sequence[ServedCheck], seconds: float, *, waited: float = 0.0
) -> tuple[str, ...]:
    """Wait until each endpoint shows its certificate in `handshakes` handshakes in a row.

    Old workers go on with old connections but accept no new ones, so a row without the old certificate,
    spread over 0.3 s, means that all who accept have the new one. Returns warnings; raises ConsumerRefused
    after `seconds`, with those that were `waited` before.
    """
    warnings: list[str] = []
    reasons: dict[str, _NotServed] = {}
    try:
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(_until_served(one, reasons, warnings) for one in checks))
    except TimeoutError as error:
        why = "; ".join(one.text for one in reasons.values()) or "not enough handshakes in that time"
        text = f"The new certificate isn't served after {seconds + waited:g} s: {why}"
        # Silence says nothing about the files: a busy machine must not have good ones taken back.
        raise (
            HookFailed(text) if all(one.is_silence for one in reasons.values()) else ConsumerRefused(text)
        ) from error
    return tuple(dict.fromkeys(warnings))


async def check_endpoint(check: EndpointCheck) -> str:
    """Return why nothing can be seen at an endpoint, empty if a handshake succeeds there."""
    try:
        found = await dial_every(check.endpoint, DialOptions(check.server_name, seconds=10.0))
    except DialFailed as error:
        return f"{check.address} doesn't resolve ({error.detail}): correct the address"
    failed = [one for one in found.values() if isinstance(one, DialFailed)]
    if len(failed) < len(found):
        return ""
    why = f"{failed[0].code}: {failed[0].detail}" if failed else "it has no address"
    return f"{check.address} can't be looked at ({why}): start the server, or correct the address"


async def _until_served(one: ServedCheck, reasons: dict[str, _NotServed], warnings: list[str]) -> None:
    address = one.check.address
    wait, row = _FIRST_PAUSE, 0
    between = _SPAN / max(1, one.check.handshakes - 1)
    while row < one.check.handshakes:
        served, problem = await _look(one)
        if problem is not None:
            reasons[address] = problem
            row = 0
            await asyncio.sleep(wait)
            wait = min(wait * 1.5, _LONGEST_PAUSE)
            continue
        row += 1
        reasons.pop(address, None)
        if row < one.check.handshakes:
            await asyncio.sleep(between)
        for found in served:
            if order := found.order_problem():
                warnings.append(f"{found.peer} serves the new certificate, and its chain is wrong: {order}")
            elif len(found.chain) == 1 and one.has_chain:
                warnings.append(
                    f"{found.peer} serves the new certificate without its chain: have it read a file of kind "
                    "combined or fullchain"
                )


async def _look(one: ServedCheck) -> tuple[list[Served], _NotServed | None]:
    """Return what all reachable addresses serve, and why that isn't right yet."""
    address = one.check.address
    try:
        found = await dial_every(one.check.endpoint, DialOptions(one.check.server_name, seconds=10.0))
    except DialFailed as error:
        return [], _NotServed(f"{address} doesn't resolve ({error.detail})", is_silence=True)
    served = [result for result in found.values() if isinstance(result, Served)]
    failed = [result for result in found.values() if isinstance(result, DialFailed)]
    # A name such as localhost has addresses at which nobody listens.
    if grave := [one for one in failed if not served or one.code is not DialCode.UNREACHABLE]:
        text = f"{address} can't be looked at ({grave[0].code}: {grave[0].detail})"
        return served, _NotServed(text, is_silence=grave[0].code is DialCode.TIMEOUT)
    wanted = one.leaf.public_bytes(Encoding.DER)
    for other in served:
        if other.leaf.public_bytes(Encoding.DER) != wanted:
            return served, _NotServed(
                f"{other.peer} still serves serial {other.leaf.serial_number:x}, which expires at "
                f"{rfc3339(other.leaf.not_valid_after_utc)}"
            )
    return served, None
