"""Certificates and CAs that something else asks Vault for, and hands over as the data of Vault's answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

import structlog

from issuer.agent.errors import AgentError
from issuer.agent.files.contents import CertificateSet
from issuer.agent.files.numbered import WrittenSet
from issuer.agent.files.opening import opened_set
from issuer.agent.renewal.keepers.certificates import CertificateKeeper
from issuer.agent.renewal.keys import key_of_pem, public_of, request_pem
from issuer.agent.renewal.looks import KeepReport, KeptCertificate, RenewalReason, SetLook
from issuer.agent.renewal.signing import set_of
from issuer.agent.renewal.source import check_files, files_of, owners_of
from issuer.text import parse_json, rfc3339
from issuer.x509.certificates import Certificate, alternative_names, basic_constraints, public_key
from issuer.x509.chains.bundle import read_bundle, read_leaf
from issuer.x509.chains.chain import build_chain
from issuer.x509.errors import ChainError, InvalidCertificate
from issuer.x509.request import read_request

log = structlog.get_logger(__name__)

_MAX_CHARS: Final = 1 << 20
_EARLY: Final = timedelta(minutes=2)
"""Clocks of machines and servers differ by as much."""


class NotDelivered(AgentError):
    """Raised where what was handed over can't be used, or nothing was yet; the files stay as they are."""


@dataclass(frozen=True, slots=True)
class DeliveredAnswer:
    """Parts of an answer, as PEM; `key` and `leaf` are empty if it holds CAs alone."""

    key: str = field(repr=False)
    leaf: str
    cas: str


def read_answer(text: str) -> DeliveredAnswer:
    """Read the JSON of an answer, whole or its `data` alone. Raises NotDelivered."""
    if len(text) > _MAX_CHARS:
        raise NotDelivered("More than a mebibyte came; it can't be an answer of Vault's")
    try:
        found: Any = parse_json(text)
    except ValueError as error:
        raise NotDelivered("What came is not JSON: hand over the data of Vault's answer") from error
    if isinstance(found, Mapping) and isinstance(found.get("data"), Mapping):
        found = found["data"]
    if not isinstance(found, Mapping):
        raise NotDelivered("What came is no JSON object: hand over the data of Vault's answer")
    chain = found.get("ca_chain") or ()
    if not isinstance(chain, (str, list, tuple)):
        raise _no_text("ca_chain")
    cas = [_text("ca_chain", one) for one in ([chain] if isinstance(chain, str) else chain)]
    cas.append(_text("issuing_ca", found.get("issuing_ca")))
    key, leaf = (_text(name, found.get(name)) for name in ("private_key", "certificate"))
    if leaf and not key:  # as <mount>/cert/ca and cert/ca_chain answer
        cas, leaf = [leaf, *cas], ""
    return DeliveredAnswer(key, leaf, "\n".join(one.strip() for one in cas if one.strip()))


def _text(name: str, value: Any) -> str:
    if value is None:
        return ""
    try:
        if isinstance(value, str):
            value.encode()  # JSON can hold half a character, which no PEM has
            return value
    except UnicodeEncodeError as error:
        raise _no_text(name) from error
    raise _no_text(name)


def _no_text(name: str) -> NotDelivered:
    return NotDelivered(
        f'"{name}" of what came is not PEM text: hand over the data of Vault\'s answer as it is'
    )


class DeliveredKeeper(CertificateKeeper):
    """Keeps a certificate that is handed over: its files are repaired, and nothing is asked for.

    One that a consumer refused is not tried again: who handed it over hears of it, and hands over another.
    """

    tries_again = False

    def _reason(self, kept: KeptCertificate | None, current: WrittenSet | None) -> RenewalReason | None:
        return None

    async def _was_revoked(self, serial: str) -> bool:
        """Return False: nobody is known to ask, and a server without any good files would be worse."""
        log.warning(
            "the old files are put to use again without asking whether their certificate is revoked, as it "
            "was delivered: nothing says which mount signed it",
            name=self.spec.name,
            serial=serial,
        )
        return False

    async def step(self, *, force: bool = False) -> KeepReport:
        """Look at the files and repair them. Raises NotDelivered if their certificate has expired."""
        report = await super().step(force=force)
        now, end = self._clock.now(), report.kept.not_after
        if now >= end:
            raise NotDelivered(f"Its certificate expired at {rfc3339(end)}, and {self._nothing_new()}")
        if now < report.kept.renew_at:
            return report
        due = f"Its certificate expires at {rfc3339(end)}, and {self._nothing_new()}"
        return replace(report, warnings=(*report.warnings, due))

    def look(self) -> SetLook:
        """Return what is kept, and that one is waited for if nothing is, or it is due. Raises AgentError."""
        found = super().look()
        if found.kept is not None and self._clock.now() < found.kept.renew_at:
            return found
        return replace(found, reason=RenewalReason.NOT_DELIVERED)

    def _nothing_new(self) -> str:
        return (
            f"nothing new was delivered. Run: vault-issuer agent deliver {self.spec.name} --json - < answer"
        )

    async def _asked_of_vault(self, current: WrittenSet, kept: KeptCertificate) -> RenewalReason | None:
        return None

    async def _renew(self, *_: object) -> KeepReport:
        raise NotDelivered(f'"{self.spec.name}" is delivered by something else, and {self._nothing_new()}')

    async def close(self) -> None:
        """Leave what a consumer refused as it is: who asked for it may use it elsewhere."""

    async def check(self) -> tuple[str, ...]:
        """Try folders, owners and passwords alone; returns warnings. Raises AgentError."""
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            return check_files(self.spec, folder)

    def deliver(self, answer: DeliveredAnswer) -> KeepReport:
        """Verify what was handed over, and write it. Raises AgentError; the old files stay then."""
        made, serial = self._verified(answer)
        with opened_set(self.spec.folder, owners_of(self.spec)) as folder:
            written = folder.write(files_of(self.spec, made), self._notes(serial))
            return KeepReport(
                self._life(written, made.leaf), renewed=RenewalReason.DELIVERED, warnings=self._copy(made)
            )

    def _verified(self, answer: DeliveredAnswer) -> tuple[CertificateSet, str]:
        if not answer.leaf:
            raise NotDelivered("What came holds no certificate with a private key: it belongs to a CA chain")
        key = key_of_pem(answer.key)
        try:
            leaf = read_leaf(answer.leaf)
            _need_no_ca(leaf)
            chain = build_chain(leaf, read_bundle(answer.cas).certificates, self._clock.now())
        except (InvalidCertificate, ChainError) as error:
            raise NotDelivered(f"What came can't be used: {error}") from error
        if public_key(leaf) != public_of(key):
            raise NotDelivered("The private key that came is not the certificate's")
        if leaf.not_valid_after_utc <= self._clock.now():
            raise NotDelivered("The certificate that came has expired")
        if leaf.not_valid_before_utc > self._clock.now() + _EARLY:
            raise NotDelivered(
                f"The certificate that came begins at {rfc3339(leaf.not_valid_before_utc)} only"
            )
        wanted = read_request(request_pem(self.spec, key).encode()).sans
        if lacks := wanted - alternative_names(leaf):
            names = ", ".join(sorted(map(str, lacks)))
            raise NotDelivered(f"The certificate that came doesn't have all names of the set: {names}")
        return set_of(chain, key), f"{leaf.serial_number:x}"


def _need_no_ca(leaf: Certificate) -> None:
    constraints = basic_constraints(leaf)
    if constraints is not None and constraints.ca:
        raise NotDelivered(
            "The certificate that came is a CA's, whose key belongs on no server: hand over a machine's own. "
            "CAs alone, without private_key, belong to caChains"
        )
