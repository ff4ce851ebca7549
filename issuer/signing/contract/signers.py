"""Tests of a backend's signers: opening, checking, signing, revoking, and each other outcome."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.kube.resources import SECRETS
from issuer.signing.contract.case import ContractCase, Fault, csr_pem
from issuer.signing.contract.opened import OpenedCase
from issuer.signing.outcomes import (
    BadAnswer,
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    NotRevoked,
    Retry,
    SigningError,
)
from issuer.signing.signer import KeepsLogin, KnowsItsCAs, Revoker, SignedCertificate, SigningRequest
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.bundle import read_bundle, read_leaf
from issuer.x509.chains.chain import Chain, candidate_chains
from issuer.x509.describe import serial_hex
from issuer.x509.request import read_request
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify

HOUR = timedelta(hours=1)
OUTAGE = (Retry, IssuerUnavailable)


class _Stop(Exception):
    """Raised by `before_sending`."""


@dataclass
class _Sending:
    """Counts calls just before sending, and how much was signed by then."""

    case: ContractCase
    stop: bool = False
    calls: int = 0
    signed: int = -1

    def __call__(self) -> None:
        self.calls += 1
        self.signed = self.case.signed()
        if self.stop:
            raise _Stop


def asked(case: ContractCase, csr: str | None = None, **more: Any) -> SigningRequest:
    """Return a request for a leaf of an hour."""
    return SigningRequest(csr or case.csr(), HOUR, frozenset(case.usages), is_ca=False, **more)


def chain_of(signed: SignedCertificate, anchors: Anchors | None = None) -> Chain:
    """Return the first chain that holds, as the controller builds it."""
    cas = read_bundle(signed.ca_pems).certificates if signed.ca_pems.strip() else ()
    return candidate_chains(read_leaf(signed.leaf_pem), cas, datetime.now(UTC), anchors)[0]


class SignerContract:
    """Tests of `Connector` and `Signer`."""

    async def test_each_kind_of_issuer_can_be_opened_and_checked(self, opened_case: OpenedCase) -> None:
        for kind in opened_case.kinds:
            async with opened_case.signer(kind) as signer:
                health = await signer.check()
                assert read_bundle(health.ca_pem).certificates
                assert health.check_again_in is None or health.check_again_in > 0
                if isinstance(signer, KeepsLogin):
                    ends = signer.login_ends_in()
                    assert ends is None or ends > 0
                opened_case.check_shown(repr(signer), str(signer), repr(health), *health.warnings)

    async def test_a_missing_secret_breaks_the_issuer(self, opened_case: OpenedCase) -> None:
        case = opened_case.case
        for kind in opened_case.kinds:
            home = case.settings.home(case.key(kind).namespace)
            for name in case.backend.secrets(case.backend.parse(case.spec)):
                secret = opened_case.kube.secret(name, home)
                opened_case.kube.delete_secret(name, home)
                with opened_case.raises(IssuerBroken) as raised:
                    await opened_case.prepare(kind)
                assert name in raised[0].message
                opened_case.kube.put(SECRETS, {**secret, "data": {}})
                with opened_case.raises(IssuerBroken):
                    await opened_case.prepare(kind)  # it is there, and empty
                opened_case.kube.put(SECRETS, secret)
            await opened_case.prepare(kind)

    async def test_an_api_server_that_is_down_is_waited_for(self, opened_case: OpenedCase) -> None:
        if not opened_case.case.backend.secrets(opened_case.case.backend.parse(opened_case.case.spec)):
            pytest.skip("its issuers refer to no Secret")
        opened_case.kube.down = True
        with opened_case.raises(Retry):
            await opened_case.prepare(opened_case.kinds[0])
        opened_case.kube.down = False
        await opened_case.prepare(opened_case.kinds[0])

    async def test_a_changed_secret_makes_another_signer(self, opened_case: OpenedCase) -> None:
        case, kind = opened_case.case, opened_case.kinds[0]
        home = case.settings.home(case.key(kind).namespace)
        before = (await opened_case.prepare(kind)).versions
        assert (await opened_case.prepare(kind)).versions == before
        for name in case.backend.secrets(case.backend.parse(case.spec)):
            opened_case.kube.touch_secret(name, home)
            after = (await opened_case.prepare(kind)).versions
            assert after != before, (
                f"Secret {name} changed, and its version is not in PreparedSigner.versions"
            )
            before = after

    async def test_what_is_prepared_shows_nothing_secret(self, opened_case: OpenedCase) -> None:
        prepared = await opened_case.prepare(opened_case.kinds[0])
        opened_case.check_shown(repr(prepared), repr(opened_case.connector()))
        assert prepared.memory is None or prepared.memory.size >= 0

    async def test_a_certificate_is_what_was_asked_for(self, opened_case: OpenedCase) -> None:
        case = opened_case.case
        profile = case.backend.profile(case.backend.parse(case.spec))
        for kind in opened_case.kinds:
            prepared = await opened_case.prepare(kind)
            signer, request, before = prepared.build(), asked(case), case.signed()
            try:
                signed = await signer.sign(request)
            finally:
                await signer.close()
            chain = chain_of(signed, prepared.anchors)
            wanted = RequestedCertificate(read_request(request.csr_pem.encode()), False, request.usages, HOUR)
            findings = verify(chain, wanted, datetime.now(UTC), strict=profile.is_strict(is_ca=False))
            assert [one.message for one in findings if one.fatal] == []
            assert signed.serial == serial_hex(chain.leaf)
            assert case.signed() == before + 1
            opened_case.check_shown(repr(signed))

    async def test_certificates_signed_at_once_are_told_apart(self, opened_case: OpenedCase) -> None:
        case = opened_case.case
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            signed = await asyncio.gather(*(signer.sign(asked(case)) for _ in range(8)))
        assert len({one.serial for one in signed}) == 8

    async def test_the_caller_is_asked_just_before_it_is_sent(self, opened_case: OpenedCase) -> None:
        case = opened_case.case
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            before, sending = case.signed(), _Sending(case)
            await signer.sign(asked(case, before_sending=sending))
            assert sending.calls >= 1, "SigningRequest.before_sending must be called"
            assert sending.signed == before, "it was sent before SigningRequest.before_sending was called"
            held = _Sending(case, stop=True)
            with pytest.raises(_Stop):
                await signer.sign(asked(case, before_sending=held))
            assert case.signed() == before + 1, "it was sent although the caller raised"

    async def test_a_ca_certificate_is_signed_only_where_the_profile_says(
        self, opened_case: OpenedCase
    ) -> None:
        case = opened_case.case
        if case.backend.profile(case.backend.parse(case.spec)).authority is not None:
            pytest.skip("the case's issuer signs CA certificates")
        before = case.signed()
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            with opened_case.raises(Failed):
                await signer.sign(SigningRequest(case.csr(), HOUR, frozenset({"cert sign"}), is_ca=True))
        assert case.signed() == before

    @pytest.mark.parametrize(
        ("fault", "outcomes"),
        [
            (Fault.UNREACHABLE, OUTAGE),
            (Fault.BUSY, (Retry,)),
            (Fault.REFUSES_ISSUER, (IssuerBroken,)),
            (Fault.REFUSES_REQUEST, (Failed,)),
        ],
        ids=lambda value: value if isinstance(value, Fault) else "",
    )
    async def test_a_failure_to_sign_is_the_outcome_that_it_means(
        self, opened_case: OpenedCase, fault: Fault, outcomes: tuple[type[SigningError], ...]
    ) -> None:
        case = opened_case.case
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            opened_case.fail(fault)
            before = case.signed()
            csr = case.refused_csr if fault is Fault.REFUSES_REQUEST else None
            with opened_case.raises(*outcomes):
                await signer.sign(asked(case, csr))
            assert case.signed() == before

    async def test_an_answer_that_is_lost_is_told_and_nothing_signed_again(
        self, opened_case: OpenedCase
    ) -> None:
        case = opened_case.case
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            opened_case.fail(Fault.LOSES_ANSWER)
            before = case.signed()
            with opened_case.raises(BadAnswer):
                await signer.sign(asked(case))
            assert case.signed() == before + 1, "whoever loses an answer asks no second time"

    @pytest.mark.parametrize(
        ("fault", "outcomes"), [(Fault.UNREACHABLE, OUTAGE), (Fault.REFUSES_ISSUER, (IssuerBroken,))]
    )
    async def test_a_check_that_fails_is_the_outcome_that_it_means(
        self, opened_case: OpenedCase, fault: Fault, outcomes: tuple[type[SigningError], ...]
    ) -> None:
        opened_case.fail(fault)
        with opened_case.raises(*outcomes):
            async with opened_case.signer(opened_case.kinds[0]) as signer:
                await signer.check()

    async def test_it_tells_its_own_cas_from_others(self, opened_case: OpenedCase) -> None:
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            if not isinstance(signer, KnowsItsCAs):
                pytest.skip(f"{opened_case.case.backend.name} does not know its CAs")
            own = chain_of(await signer.sign(asked(opened_case.case))).cas
            assert await signer.knows(own, is_ca=False)
            assert not await signer.knows([_another_ca()], is_ca=False)
            assert not await signer.knows([*own, _another_ca()], is_ca=False)

    async def test_a_certificate_can_be_revoked_where_it_was_signed(self, opened_case: OpenedCase) -> None:
        case = opened_case.case
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            if not isinstance(signer, Revoker):
                assert case.revoked is None, "the case counts revocations, and its signer is no Revoker"
                pytest.skip(f"{case.backend.name} revokes nothing")
            assert case.revoked is not None, "a Revoker's case counts revocations"
            signed, before = await signer.sign(asked(case)), case.revoked()
            await signer.revoke(signed.leaf_pem, is_ca=False)
            assert case.revoked() == before + 1
            await signer.revoke(signed.leaf_pem)

    async def test_a_revocation_that_is_refused_is_given_up(self, opened_case: OpenedCase) -> None:
        case = opened_case.case
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            if not isinstance(signer, Revoker):
                pytest.skip(f"{case.backend.name} revokes nothing")
            signed = await signer.sign(asked(case))
            opened_case.fail(Fault.REFUSES_REVOCATION)
            with opened_case.raises(NotRevoked):
                await signer.revoke(signed.leaf_pem, is_ca=False)

    async def test_closing_twice_is_no_error(self, opened_case: OpenedCase) -> None:
        async with opened_case.signer(opened_case.kinds[0]) as used:
            await used.check()
            await used.close()
        async with opened_case.signer(opened_case.kinds[0]) as unused:
            await unused.close()

    async def test_a_request_without_names_raises_nothing_but_an_outcome(
        self, opened_case: OpenedCase
    ) -> None:
        async with opened_case.signer(opened_case.kinds[0]) as signer:
            try:
                await signer.sign(asked(opened_case.case, csr_pem()))
            except SigningError as error:
                opened_case.check_reason(error)
                opened_case.check_shown(str(error), repr(error))


def _another_ca() -> x509.Certificate:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Another CA")])
    return (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - HOUR)
        .not_valid_after(now + HOUR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
