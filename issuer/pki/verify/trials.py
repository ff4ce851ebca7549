"""Calls that Vault refuses either way: 403 where the token is denied, 400 where only the call is bad.

A lifetime that is none is refused before a PKI mount looks at anything else, so nothing is signed or made,
even by a policy that allows too much (tried on OpenBao 2.7.2). Vault asks the policy first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from issuer.pki.errors import NotPermitted, PkiError
from issuer.pki.server.calls import VaultCalls, at_once
from issuer.pki.verify.matrix import OTHER, ProbedMount
from issuer.vault.errors import VaultBadRequest

NO_LIFETIME: Final[dict[str, Any]] = {"ttl": "none"}
_BY_ROLE: Final = ("sign", "issue", "sign-verbatim")
_PLAIN: Final = (
    "sign-verbatim",
    "root/sign-intermediate",
    "root/generate/internal",
    "root/rotate/internal",
    "intermediate/generate/internal",
    "issuers/generate/root/internal",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A call that is refused either way."""

    path: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """The answer to one: True if the token may, False if not, None where neither can be told."""

    path: str
    allowed: bool | None


def trials_of(mount: ProbedMount) -> Iterator[Trial]:
    """Yield the calls on one mount."""
    for role in mount.roles:
        for verb in _BY_ROLE:
            yield Trial(f"{mount.path}/{verb}/{role}", NO_LIFETIME)
        for issuer in mount.issuers:
            yield Trial(f"{mount.path}/issuer/{issuer}/sign/{role}", NO_LIFETIME)
    for path in _PLAIN:
        yield Trial(f"{mount.path}/{path}", NO_LIFETIME)
    for issuer in mount.issuers:
        yield Trial(f"{mount.path}/issuer/{issuer}/sign-intermediate", NO_LIFETIME)
        yield Trial(f"{mount.path}/issuer/{issuer}/sign-verbatim/{OTHER}", NO_LIFETIME)
    # Without a serial number it revokes nothing.
    yield Trial(f"{mount.path}/revoke", {})


async def tried(calls: VaultCalls, trials: Iterable[Trial]) -> list[TrialAnswer]:
    """Make the calls, several at once, and return what they tell, in their order."""
    wanted = list(trials)
    may = await at_once({number: partial(_may, calls, one) for number, one in enumerate(wanted)})
    return [TrialAnswer(one.path, may[number]) for number, one in enumerate(wanted)]


async def _may(calls: VaultCalls, trial: Trial) -> bool | None:
    try:
        await calls.write(trial.path, trial.body)
    except NotPermitted:
        return False
    except VaultBadRequest:
        return True
    except PkiError:
        return None
    return None


def wrong_answers(answers: Iterable[TrialAnswer], may: Callable[[str], bool]) -> Iterator[str]:
    """Yield what real calls did against what the policy means: `may` tells if a path may be written."""
    for one in answers:
        if one.allowed is not None and one.allowed != may(one.path):
            did = "was let through" if one.allowed else "was denied"
            yield f"a call of {one.path} {did}"
