"""One run: the plan's comparison, the CAs, and a trial token for each policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from cryptography import x509

from issuer.pki.authorities.chains import chain_problems, pointer_problems
from issuer.pki.authorities.parts import read_ca, spki_sha256
from issuer.pki.errors import NotPermitted
from issuer.pki.file.access import PolicyText
from issuer.pki.file.authority import Authority
from issuer.pki.file.model import Part, PkiFile, path_in_file
from issuer.pki.plan.planning import PkiPlan, PlanInput
from issuer.pki.resources.mounts import SECRETS
from issuer.pki.resources.policy_rules import UnreadableRules
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.server.tokens import NoTrialToken, trial_token
from issuer.pki.verify.item import Standing, Verification, VerifyItem
from issuer.pki.verify.items import items_of, refused_items
from issuer.pki.verify.matrix import Meaning, ProbedMount, differences, meaning_of, probed_mounts
from issuer.pki.verify.trials import trials_of, tried, wrong_answers
from issuer.text import counted

Progress = Callable[[str], None]
"""Called with what is checked next."""
_CAPABILITIES: Final = "sys/capabilities"
_MATRIX: Final = "policy matrix"
_CALLS: Final = "policy calls"
_SHOWN: Final = 8
MAX_SERIALS: Final = 2_000
"""Certificates of a signer's mount that are read to find those of one key: a mount that signs CAs has few."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Result of one way of checking a policy."""

    standing: Standing
    kind: str
    message: str
    details: tuple[str, ...] = ()


class Verifier:
    """Holds one Vault against one file."""

    def __init__(
        self,
        calls: VaultCalls,
        given: PlanInput,
        progress: Progress,
        token_role: str | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._calls = calls
        self._given = given
        self._progress = progress
        self._token_role = token_role
        self._now = now
        self._held: dict[str, dict[str, tuple[str, ...]]] = {}

    async def verify(self, plan: PkiPlan, reading: VaultReading) -> Verification:
        """Return all items: `plan` and `reading` are what a plan made of the file just now."""
        items = [*items_of(plan), *refused_items(self._given.resources, reading)]
        items += [VerifyItem(Standing.DIFFERS, "authority", "", "", one) for one in plan.contradictions]
        items += await self._authorities(reading)
        if Part.FOUNDATION in self._given.parts:
            mounts = [one for one in probed_mounts(self._given.file) if _is_pki(reading, one.path)]
            for name, policy in self._given.file.foundation.policies.items():
                path = f"sys/policies/acl/{name}"
                if path not in reading.refused and reading.data(path) is None:
                    continue  # told as missing
                self._progress(f"trying policy {name} on {len(mounts)} PKI mounts")
                items += await self._policy(name, policy, mounts)
        return Verification(tuple(items), self._held)

    async def _authorities(self, reading: VaultReading) -> list[VerifyItem]:
        items: list[VerifyItem] = []
        for part, name, authority in self._given.file.all_authorities():
            read = reading.data(f"{authority.mount}/issuer/{name}")
            if part not in self._given.parts or read is None:
                continue
            self._progress(f"reading the chain of {name}")
            told = list(chain_problems(read, self._now(), whole=authority.include_chain))
            certificate = read_ca(read, f"{authority.mount}/issuer/{name}")
            signer = _signer(self._given.file, authority)
            if signer is not None:
                urls = await self._calls.read(f"{signer.mount}/config/urls")
                told += pointer_problems(certificate, urls.data)
            place = str(self._given.places.of(*path_in_file(part, "authorities", name)))
            path = f"{authority.mount}/issuer/{name}"
            standing = Standing.DIFFERS if told else Standing.STANDS
            items.append(VerifyItem(standing, "chain", path, place, "; ".join(told)))
            if signer is not None:
                items.append(await self._only_one(signer, certificate, path, place))
        return items

    async def _only_one(
        self, signer: Authority, certificate: x509.Certificate, path: str, place: str
    ) -> VerifyItem:
        """Return the item that the signer's list has one unrevoked certificate for a CA's key."""
        kind = "signer's list"
        listed = await self._calls.read(f"{signer.mount}/certs/")
        if listed.refused is not None:
            message = f"the token may not list {signer.mount}/certs"
            return VerifyItem(Standing.NOT_CHECKED, kind, path, place, message)
        serials = [str(one) for one in (listed.data or {}).get("keys") or ()]
        if len(serials) > MAX_SERIALS:
            message = f"{signer.mount} lists {len(serials)} certificates; {MAX_SERIALS} at most are read"
            return VerifyItem(Standing.NOT_CHECKED, kind, path, place, message)
        paths = {one: f"{signer.mount}/cert/{one}" for one in serials}
        read, now = await self._calls.read_all(paths.values()), self._now()
        valid = [one for one, at in paths.items() if _is_for(read[at], at, certificate, now)]
        if len(valid) == 1:
            return VerifyItem(Standing.STANDS, kind, path, place)
        told = f"{signer.mount} lists {len(valid)} valid certificates for its key, not 1"
        if valid:
            told += f" ({', '.join(valid[:_SHOWN])}); revoke those that no issuer has"
        return VerifyItem(Standing.DIFFERS, kind, path, place, told)

    async def _policy(self, name: str, policy: PolicyText, mounts: Sequence[ProbedMount]) -> list[VerifyItem]:
        place = str(self._given.places.of(*path_in_file(Part.FOUNDATION, "policies", name)))
        try:
            meant = meaning_of(policy)
            token = await trial_token(self._calls, name, self._token_role)
        except (UnreadableRules, NoTrialToken) as error:
            verdicts = [_Verdict(Standing.NOT_CHECKED, _MATRIX, str(error))]
        else:
            verdicts = [
                await self._matrix(name, token, meant, mounts),
                await self._tried(token, meant, mounts),
            ]
        path = f"sys/policies/acl/{name}"
        return [VerifyItem(one.standing, one.kind, path, place, one.message, one.details) for one in verdicts]

    async def _matrix(
        self, name: str, token: SecretText, meant: Meaning, mounts: Sequence[ProbedMount]
    ) -> _Verdict:
        paths = [path for mount in mounts for path in mount.paths()]
        if not paths:
            return _Verdict(Standing.NOT_CHECKED, _MATRIX, "no PKI mount of the file is there yet")
        try:
            answer = await self._calls.write(_CAPABILITIES, {"token": token, "paths": paths})
        except NotPermitted:
            return _Verdict(Standing.NOT_CHECKED, _MATRIX, f"the token may not write {_CAPABILITIES}")
        held = {path: tuple(str(verb) for verb in answer.get(path) or ()) for path in paths}
        self._held[name] = held
        wrong = [str(one) for one in differences(meant, held, paths)]
        if wrong:
            return _Verdict(Standing.DIFFERS, _MATRIX, _clipped(wrong), tuple(wrong))
        told = f"{counted(len(paths), 'path allows and denies', 'paths allow and deny')} as the file means"
        return _Verdict(Standing.STANDS, _MATRIX, told)

    async def _tried(self, token: SecretText, meant: Meaning, mounts: Sequence[ProbedMount]) -> _Verdict:
        calls = self._calls.as_token(token)
        answers = [one for mount in mounts for one in await tried(calls, trials_of(mount))]
        self._calls.count += calls.count
        wrong = list(wrong_answers(answers, lambda path: "update" in meant(path)))
        if wrong:
            return _Verdict(Standing.DIFFERS, _CALLS, _clipped(wrong), tuple(wrong))
        untold = [one.path for one in answers if one.allowed is None]
        if untold or not answers:
            return _Verdict(Standing.NOT_CHECKED, _CALLS, f"no verdict on {_clipped(untold) or 'any path'}")
        allowed = sum(bool(one.allowed) for one in answers)
        return _Verdict(
            Standing.STANDS, _CALLS, f"{allowed} calls were let through, {len(answers) - allowed} denied"
        )


def _signer(file: PkiFile, authority: Authority) -> Authority | None:
    return next((one for _, name, one in file.all_authorities() if name == authority.signed_by), None)


def _is_pki(reading: VaultReading, mount: str) -> bool:
    return ((reading.data(SECRETS) or {}).get(f"{mount}/") or {}).get("type") == "pki"


def _is_for(read: PathRead, path: str, certificate: x509.Certificate, now: datetime) -> bool:
    data: Any = read.data
    if data is None or data.get("revocation_time"):
        return False
    other = read_ca(data, path)
    # Another CA of the mount may have signed the same key, such as for a cross-signature.
    ours = other.issuer == certificate.issuer and spki_sha256(other) == spki_sha256(certificate)
    return ours and other.not_valid_after_utc > now


def _clipped(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - _SHOWN} more (-o json has all)" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
