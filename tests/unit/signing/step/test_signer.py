"""Signing through step-ca: what each answer of the CA means, for the request and for its issuer."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.servers.allowed import AllowedServers
from issuer.signing.contract import FakeKubernetes
from issuer.signing.contract.case import csr_pem
from issuer.signing.outcomes import (
    BadAnswer,
    Failed,
    IssuerBroken,
    IssuerUnavailable,
    LifeNotAllowed,
    Retry,
    ServerFault,
)
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import SigningRequest
from issuer.step.connection import StepConnection
from tests.ca import pem
from tests.unit.signing.step.conftest import NAMESPACED, SETTINGS, Open
from tests.unit.signing.step.requests import HOUR, answering, asked
from tests.unit.step.fake import (
    NAME,
    SIGN,
    FakeStepCA,
    fake_step_ca,
)


async def test_a_token_grants_exactly_the_names_of_the_request(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.sign(asked("web.example.test", "*.example.test"))
    token = step.tokens[-1]
    assert token["sans"] == ["web.example.test", "*.example.test"]
    assert token["sub"] == "web.example.test"
    assert token["aud"] == f"{step.url}/1.0/sign"


async def test_the_common_name_is_the_first_name_that_is_not_of_the_machine_itself(
    step: FakeStepCA, open_signer: Open
) -> None:
    """As with step-issuer; where there is no other, it is that."""
    signer = await open_signer()
    for names, subject in (
        (("localhost", "web.example.test", "api.example.test"), "web.example.test"),
        (("localhost",), "localhost"),
    ):
        await signer.sign(asked(*names))
        assert step.tokens[-1]["sub"] == subject


async def test_a_certificate_has_the_names_that_its_token_grants(step: FakeStepCA, open_signer: Open) -> None:
    signed = await (await open_signer()).sign(asked("web.example.test", "*.example.test"))
    leaf = x509.load_pem_x509_certificate(signed.leaf_pem.encode())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.example.test", "*.example.test"]


async def test_a_request_that_names_nothing_fails_unsent(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    with pytest.raises(Failed) as raised:
        await signer.sign(SigningRequest(csr_pem(), HOUR, frozenset(), is_ca=False))
    assert raised.value.reason == "NoNames"
    assert step.made(SIGN) == 0


async def test_a_check_has_a_token_taken_once_and_signs_nothing(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    for _ in range(3):
        await signer.check()
    assert (step.made(SIGN), step.signed) == (1, [])


async def test_all_its_cas_are_those_that_it_serves(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    health, found = await signer.check(), await signer.own_cas()
    assert (found.pem, found.problem) == (health.ca_pem, "")


@pytest.mark.parametrize("status", [400, 403])
async def test_a_certificate_that_is_refused_shows_that_the_token_was_taken(
    step: FakeStepCA, open_signer: Open, status: int
) -> None:
    """400 is the answer where a template or a webhook of the provisioner refuses first."""
    step.answer = answering(SIGN, status)
    signer = await open_signer()
    for _ in range(2):
        await signer.check()
    assert step.made(SIGN) == 1


@pytest.mark.parametrize("list_of_cas", ["GET /roots", "GET /intermediates"])
async def test_nothing_is_sent_before_the_cas_are_known(
    step: FakeStepCA, open_signer: Open, list_of_cas: str
) -> None:
    """A list that fails after the call would hide that something was signed."""
    step.answer = answering(list_of_cas, 503)
    signer = await open_signer()
    with pytest.raises(ServerFault):
        await signer.sign(asked())
    assert step.made(SIGN) == 0
    step.answer = lambda _call: None
    await signer.sign(asked())
    assert len(step.signed) == 1


@pytest.mark.parametrize("others_too", [False, True])
async def test_a_page_that_answers_one_request_alone_breaks_no_issuer(
    step: FakeStepCA, open_signer: Open, others_too: bool
) -> None:
    pages = [(403, "<html>")] * (2 if others_too else 1)
    step.answer = lambda call: pages.pop() if call == SIGN and pages else None
    signer = await open_signer()
    with pytest.raises(IssuerBroken if others_too else Retry) as raised:
        await signer.sign(asked())
    assert raised.value.reason == ("UnexpectedAnswer" if others_too else "StepCAUnavailable")
    assert not pages
    assert not step.signed


async def test_a_server_that_signs_what_a_token_does_not_grant_breaks_the_issuer(
    step: FakeStepCA, open_signer: Open
) -> None:
    chain = [pem(step.ca.intermediate)] * 2
    step.answer = lambda call: (201, {"certChain": chain}) if call == SIGN else None
    signer = await open_signer()
    for _ in range(2):
        with pytest.raises(IssuerBroken, match="any name") as raised:
            await signer.check()
    assert raised.value.reason == "UnexpectedAnswer"


async def test_an_outage_takes_no_other_token_at_the_next_check(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.check()
    step.answer = answering("GET /health", 503)
    with pytest.raises(ServerFault):
        await signer.check()
    step.answer = lambda _call: None
    await signer.check()
    assert step.made(SIGN) == 1


async def test_a_used_token_is_followed_by_one_with_another_id(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.check()

    class Once(set[str]):
        """Says of the first id that it was used."""

        asked = 0

        def __contains__(self, item: object) -> bool:
            self.asked += 1
            return self.asked == 1

    step.used = Once()
    await signer.sign(asked())
    assert step.refusals == ["token already used"]
    assert step.tokens[-1]["jti"] != step.tokens[-2]["jti"]


async def test_an_audience_that_is_no_name_of_the_ca_is_told_with_its_names(
    step: FakeStepCA, open_signer: Open
) -> None:
    step.dns = ("ca.internal",)
    with pytest.raises(IssuerBroken) as raised:
        await (await open_signer()).check()
    assert raised.value.reason == "TokenRefused"
    assert f"{step.url}/1.0/sign" in raised.value.message
    assert "127.0.0.1, localhost" in raised.value.message


async def test_a_name_that_the_certificate_lacks_is_told_with_those_it_has(
    kube: FakeKubernetes, open_signer: Open
) -> None:
    async with fake_step_ca("ca.internal", "10.1.2.3") as other:
        with pytest.raises(IssuerBroken) as raised:
            await (await open_signer(other.spec)).check()
    assert raised.value.reason == "TLSVerificationFailed"
    assert "ca.internal, 10.1.2.3" in raised.value.message


async def test_names_are_not_told_where_a_namespace_may_dial_anything(
    kube: FakeKubernetes, open_signer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("issuer.servers.allowed.special_range", lambda _address: None)
    async with fake_step_ca("ca.internal") as other:
        settings = BackendSettings(SETTINGS.cluster_resource_namespace)
        signer = await open_signer(other.spec, key=NAMESPACED, settings=settings)
        with pytest.raises(IssuerBroken) as raised:
            await signer.check()
    assert "ca.internal" not in raised.value.message


async def test_an_untrusted_ca_breaks_the_issuer(step: FakeStepCA, open_signer: Open) -> None:
    with pytest.raises(IssuerBroken, match="caBundle") as raised:
        await (await open_signer({**step.spec, "caBundle": FakeStepCA().bundle})).check()
    assert raised.value.reason == "TLSVerificationFailed"


async def test_the_end_of_the_last_ca_for_tls_is_told(
    open_signer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StepConnection, "bundle_warning", lambda _self, _now: "TLS ends.")
    assert (await (await open_signer()).check()).warnings == ("TLS ends.",)


async def test_a_bundle_may_be_der(step: FakeStepCA, open_signer: Open) -> None:
    der = base64.b64encode(step.ca.root.public_bytes(Encoding.DER)).decode()
    await (await open_signer({**step.spec, "caBundle": der})).check()


async def test_an_address_without_a_scheme_is_https(step: FakeStepCA, open_signer: Open) -> None:
    """As step-ca's own client takes it, and so step-issuer."""
    signer = await open_signer({**step.spec, "url": step.url.removeprefix("https://")})
    await signer.check()
    assert step.tokens[-1]["aud"] == f"{step.url}/1.0/sign"


@pytest.mark.parametrize(
    "name",
    ["www.bank.example", "10.1.2.3", "fd00::1", "spiffe://prod/ns/x", "root@bank.example", "*.lab.example"],
)
async def test_a_common_name_alone_is_granted_as_step_ca_reads_it(
    step: FakeStepCA, open_signer: Open, name: str
) -> None:
    await (await open_signer()).sign(named(name))
    assert (step.tokens[-1]["sub"], step.tokens[-1].get("sans")) == (name, None)


@pytest.mark.parametrize(
    "name", ["Lab Shop CA", "b\u00fcro.example", "urn:uuid:1", "spiffe:a@b.example", "fe80::1%eth0"]
)
async def test_a_common_name_alone_that_is_no_name_fails_unsent(
    step: FakeStepCA, open_signer: Open, name: str
) -> None:
    """step-ca would make a name of it that nobody has judged, or answer 500 each time."""
    signer = await open_signer()
    with pytest.raises(Failed, match="dnsNames") as raised:
        await signer.sign(named(name))
    assert raised.value.reason == "NoNames"
    assert step.made(SIGN) == 0


def named(common_name: str) -> SigningRequest:
    """A request with a common name and no alternative name."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder(name).sign(key, hashes.SHA256())
    csr = made.public_bytes(Encoding.PEM).decode()
    return SigningRequest(csr, HOUR, frozenset(), is_ca=False)


async def test_names_that_the_cas_policy_cannot_judge_fail_the_request(
    step: FakeStepCA, open_signer: Open
) -> None:
    """A 500 of step-ca before it signs, at each try; any other is waited for."""
    step.answer = answering(SIGN, 500, "error creating certificate")
    with pytest.raises(Failed, match="error creating certificate") as raised:
        await (await open_signer()).sign(asked())
    assert raised.value.reason == "RefusedByStepCA"


@pytest.mark.parametrize("url", ["http://ca.example.test", "https://", "ftp://ca.test", "https://a b"])
async def test_another_address_than_https_is_refused(step: FakeStepCA, open_signer: Open, url: str) -> None:
    with pytest.raises(IssuerBroken) as raised:
        await open_signer({**step.spec, "url": url})
    assert raised.value.reason == "InvalidConnection"


async def test_the_operators_list_holds_for_issuers_of_a_namespace(
    step: FakeStepCA, open_signer: Open
) -> None:
    settings = BackendSettings(
        SETTINGS.cluster_resource_namespace, allowed_servers=AllowedServers.parse(["ca.example.test"])
    )
    with pytest.raises(IssuerBroken, match="StepIssuers may use") as raised:
        await open_signer(key=NAMESPACED, settings=settings)
    assert raised.value.reason == "ServerNotAllowed"
    await (await open_signer(settings=settings)).check()


async def test_the_claims_of_the_provisioner_are_the_bounds(step: FakeStepCA, open_signer: Open) -> None:
    step.claims = {"maxTLSCertDuration": "2h", "minTLSCertDuration": "10m"}
    lives = (await (await open_signer()).check()).lives
    assert (lives.shortest, lives.longest, lives.usual) == (timedelta(minutes=10), 2 * HOUR, None)
    assert NAME in lives.source


@pytest.mark.parametrize(("shortest", "likely"), [(None, 24), ("10m", 24), ("48h", 48)])
async def test_the_usual_life_is_the_cas_where_the_provisioner_has_none(
    step: FakeStepCA, open_signer: Open, shortest: str | None, likely: int
) -> None:
    step.claims = {"minTLSCertDuration": shortest} if shortest else None
    signer = await open_signer()
    lives = (await signer.check()).lives
    assert (lives.usual, lives.likely) == (None, likely * HOUR)
    await signer.sign(asked(life=None))
    assert step.lives == [None], "no life is named"


async def test_a_refused_life_tells_the_longest_one(step: FakeStepCA, open_signer: Open) -> None:
    """What step-ca backdates is in both lives that it names."""
    with pytest.raises(LifeNotAllowed) as raised:
        await (await open_signer()).sign(asked(life=2160 * HOUR))
    assert raised.value.longest == step.longest
    assert step.signed == []


async def test_a_refused_request_fails_with_the_cas_words(step: FakeStepCA, open_signer: Open) -> None:
    step.answer = answering(SIGN, 403, "dns name not allowed")
    with pytest.raises(Failed, match="dns name not allowed") as raised:
        await (await open_signer()).sign(asked())
    assert raised.value.reason == "RefusedByStepCA"


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_a_fault_of_the_server_is_waited_for(step: FakeStepCA, open_signer: Open, status: int) -> None:
    signer = await open_signer()
    await signer.check()
    step.answer = answering(SIGN, status)
    with pytest.raises(ServerFault) as raised:
        await signer.sign(asked())
    assert raised.value.may_have_signed is (status != 503)


async def test_a_lost_answer_is_said_not_to_be_found_again(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    step.cut_answers = True
    with pytest.raises(BadAnswer, match="can't be found again"):
        await signer.sign(asked())
    assert len(step.signed) == 1


async def test_a_ca_that_does_not_answer_is_waited_for(step: FakeStepCA, open_signer: Open) -> None:
    spec = {**step.spec, "url": "https://127.0.0.1:1"}
    with pytest.raises(IssuerUnavailable) as raised:
        await (await open_signer(spec)).check()
    assert raised.value.reason == "StepCAUnreachable"
