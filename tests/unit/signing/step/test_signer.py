"""Signing through step-ca: what each answer of the CA means, for the request and for its issuer."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
    ServerFault,
)
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import SigningRequest
from issuer.step.jwe import EncryptedKey
from tests.ca import pem
from tests.unit.signing.step.conftest import CLUSTER, NAMESPACED, SETTINGS, Open
from tests.unit.step.fake import (
    KID,
    NAME,
    PASSWORD,
    REVOKE,
    SIGN,
    Answer,
    FakeStepCA,
    encrypted,
    fake_step_ca,
    jwk,
    refusal,
)

HOUR = timedelta(hours=1)
REF = {"name": "step", "key": "password"}


def asked(*dns: str, life: timedelta | None = HOUR) -> SigningRequest:
    return SigningRequest(csr_pem(*(dns or ("web.team-a.example.test",))), life, frozenset(), is_ca=False)


def answering(what: str, status: int, message: str = "no") -> Any:
    """Answer one call so, and let the others be."""

    def answer(call: str) -> Answer | None:
        return (status, refusal(status, message)) if call == what else None

    return answer


async def test_a_token_grants_exactly_the_names_of_the_request(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.sign(asked("web.example.test", "*.example.test"))
    token = step.tokens[-1]
    assert token["sans"] == ["web.example.test", "*.example.test"]
    assert token["sub"] == "web.example.test"
    assert token["aud"] == f"{step.url}/1.0/sign"


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


async def test_a_token_is_tried_again_after_a_refused_one_and_with_another_key(
    step: FakeStepCA, open_signer: Open
) -> None:
    signer = await open_signer()
    await signer.check()
    dns, step.dns = step.dns, ("ca.internal",)
    with pytest.raises(IssuerBroken):
        await signer.sign(asked())
    step.dns = dns
    made = step.made(SIGN)
    for _ in range(2):
        await signer.check()
    assert step.made(SIGN) == made + 1
    step.key = ec.generate_private_key(ec.SECP256R1())
    step._sealed.clear()
    for _ in range(2):
        await signer.check()
    assert step.made(SIGN) == made + 2


async def test_a_key_that_the_ca_serves_unencrypted_is_refused(step: FakeStepCA, open_signer: Open) -> None:
    step._sealed[(step.password, step.kid)] = json.dumps(jwk(step.key, private=True))
    for step.lists_encrypted_key in (True, False):
        with pytest.raises(IssuerBroken, match="unencrypted") as raised:
            await (await open_signer()).check()
        assert raised.value.reason == "ProvisionerKeyUnusable"


async def test_a_key_is_decrypted_once_for_all_signers_of_it(
    step: FakeStepCA, open_signer: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    decrypted: list[int] = []
    decrypt = EncryptedKey.decrypt

    def counted(self: EncryptedKey, password: bytes) -> bytes:
        decrypted.append(1)
        return decrypt(self, password)

    monkeypatch.setattr(EncryptedKey, "decrypt", counted)
    first, second = await open_signer(), await open_signer()
    for signer in (first, second, first):
        await signer.check()
    assert len(decrypted) == 1
    step.password = "another password"
    for _ in range(2):
        with pytest.raises(IssuerBroken) as raised:
            await first.check()
        assert raised.value.reason == "PasswordRefused"
    assert len(decrypted) == 2, "a wrong password is not tried again at each check"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_a_line_end_of_a_password_is_left_out_and_said(
    kube: FakeKubernetes, open_signer: Open, end: str
) -> None:
    kube.put_secret("step", {"password": f"{PASSWORD}{end}".encode()})
    health = await (await open_signer()).check()
    assert any("line end" in warning for warning in health.warnings)
    assert not any(PASSWORD in warning for warning in health.warnings)


async def test_a_password_that_ends_in_a_line_end_is_tried_as_it_is_first(
    step: FakeStepCA, kube: FakeKubernetes, open_signer: Open
) -> None:
    step.password = f"{PASSWORD}\n"
    kube.put_secret("step", {"password": f"{PASSWORD}\n".encode()})
    assert (await (await open_signer()).check()).warnings == ()


async def test_the_key_is_fetched_where_the_list_has_none(step: FakeStepCA, open_signer: Open) -> None:
    step.lists_encrypted_key = False
    await (await open_signer()).check()
    assert step.made(f"GET /provisioners/{KID}/encrypted-key") == 1


@pytest.mark.parametrize("how", ["jwk", "jwe"])
async def test_a_key_may_be_given_in_a_secret(
    step: FakeStepCA, kube: FakeKubernetes, open_signer: Open, how: str
) -> None:
    step.answer = answering(f"GET /provisioners/{KID}/encrypted-key", 404)
    step.lists_encrypted_key = False
    private = json.dumps(jwk(step.key, private=True))
    text = private if how == "jwk" else encrypted(private.encode(), PASSWORD)
    kube.put_secret("key", {"key.json": text.encode()})
    provisioner = {"name": NAME, "kid": KID, "keyRef": {"name": "key"}}
    if how == "jwe":
        provisioner["passwordRef"] = REF
    signer = await open_signer(provisioner=provisioner)
    await signer.check()
    await signer.sign(asked())
    assert len(step.signed) == 1


async def test_a_key_of_another_provisioner_breaks_the_issuer(
    kube: FakeKubernetes, open_signer: Open
) -> None:
    other = json.dumps(jwk(ec.generate_private_key(ec.SECP256R1()), private=True))
    kube.put_secret("key", {"key.json": other.encode()})
    with pytest.raises(IssuerBroken) as raised:
        await (await open_signer(provisioner={"name": NAME, "kid": KID, "keyRef": {"name": "key"}})).check()
    assert raised.value.reason == "ProvisionerKeyDiffers"


async def test_a_key_that_the_ca_does_not_keep_has_to_be_given(step: FakeStepCA, open_signer: Open) -> None:
    step.lists_encrypted_key = False
    step.answer = answering(f"GET /provisioners/{KID}/encrypted-key", 404)
    with pytest.raises(IssuerBroken, match="keyRef") as raised:
        await (await open_signer()).check()
    assert raised.value.reason == "ProvisionerKeyUnusable"


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({"kid": "rotated"}, "ProvisionerNotFound", '"rotated"'),
        ({"type": "ACME"}, "ProvisionerNotSupported", "ACME"),
        ({"type": "X5C"}, "ProvisionerNotSupported", "X5C"),
    ],
    ids=["rotated", "acme", "x5c"],
)
async def test_a_provisioner_that_is_not_there_is_told_with_what_is(
    step: FakeStepCA, open_signer: Open, change: dict[str, str], reason: str, text: str
) -> None:
    signer = await open_signer()
    await signer.check()
    for name, value in change.items():
        setattr(step, name, value)
    for call in (signer.check, lambda: signer.sign(asked())):
        with pytest.raises(IssuerBroken, match=text) as raised:
            await call()
        assert raised.value.reason == reason


async def test_a_provisioner_of_another_name_is_told_with_those_that_are_there(open_signer: Open) -> None:
    with pytest.raises(IssuerBroken, match=f'"{NAME}" \\(JWK\\)') as raised:
        await (await open_signer(provisioner={"name": "nope", "kid": KID, "passwordRef": REF})).check()
    assert raised.value.reason == "ProvisionerNotFound"


@pytest.mark.parametrize("minutes", [5, -5, 40])
async def test_a_difference_of_clocks_is_made_up_for_and_said(
    step: FakeStepCA, open_signer: Open, minutes: int
) -> None:
    step.skew = timedelta(minutes=minutes)
    signer = await open_signer()
    health = await signer.check()
    assert any("clock" in warning for warning in health.warnings)
    await signer.sign(asked())
    assert (step.refusals, len(step.signed)) == ([], 1)


async def test_a_clock_that_changes_costs_one_more_token(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.check()
    step.skew = timedelta(minutes=-30)
    await signer.sign(asked())
    assert (len(step.refusals), len(step.signed)) == (1, 1)


async def test_clocks_that_differ_by_hours_break_the_issuer(step: FakeStepCA, open_signer: Open) -> None:
    step.skew = timedelta(hours=5)
    with pytest.raises(IssuerBroken, match="ahead of") as raised:
        await (await open_signer()).check()
    assert raised.value.reason == "ClocksDiffer"


async def test_a_ca_that_has_just_started_takes_the_next_token(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    await signer.check()
    step.started = step.now + timedelta(days=1)
    refused_before = len(step.refusals)

    def start(call: str) -> Answer | None:
        if len(step.refusals) > refused_before:
            step.started = datetime(2026, 1, 1, tzinfo=UTC)
        return None

    step.answer = start
    await signer.sign(asked())
    assert step.refusals[refused_before:] == ["token issued before the bootstrap of certificate authority"]


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


async def test_a_bundle_may_be_der(step: FakeStepCA, open_signer: Open) -> None:
    der = base64.b64encode(step.ca.root.public_bytes(Encoding.DER)).decode()
    await (await open_signer({**step.spec, "caBundle": der})).check()


@pytest.mark.parametrize("url", ["http://ca.example.test", "https://", "ca.example.test:9000", "https://a b"])
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


async def test_a_crl_that_cannot_be_read_now_stops_no_signing(step: FakeStepCA, open_signer: Open) -> None:
    step.answer = answering("GET /crl", 500)
    signer = await open_signer(revocation={"policy": "OnDelete"})
    (warning,) = (await signer.check()).warnings
    assert "passively" in warning
    assert "can't be read now" in warning


@pytest.mark.parametrize(
    ("crl", "text"),
    [(None, "makes no CRL"), (b"nothing", "can't be read"), ("good", "don't look into its CRL")],
)
async def test_a_revocation_is_said_to_be_passive(
    step: FakeStepCA, open_signer: Open, crl: Any, text: str
) -> None:
    step.crl = made_crl(step) if crl == "good" else crl
    warnings = (await (await open_signer(revocation={"policy": "OnDelete"})).check()).warnings
    assert any("passively" in one and text in one for one in warnings), warnings
    assert (await (await open_signer()).check()).warnings == ()


def made_crl(step: FakeStepCA) -> bytes:
    now = datetime.now(UTC)
    builder = x509.CertificateRevocationListBuilder(step.ca.intermediate.subject, now, now + HOUR)
    return builder.sign(step.ca.key, hashes.SHA256()).public_bytes(Encoding.DER)


async def test_a_revocation_is_by_the_serial_number(step: FakeStepCA, open_signer: Open) -> None:
    signer = await open_signer()
    signed = await signer.sign(asked())
    await signer.revoke(signed.leaf_pem)
    await signer.revoke(signed.leaf_pem)  # it is revoked already
    assert step.revoked == [str(int(signed.serial.replace(":", ""), 16))]
    assert step.tokens[-1]["aud"].endswith("/1.0/revoke")
    assert step.made(REVOKE) == 2


async def test_passwords_of_the_controller_are_read_where_listed(
    step: FakeStepCA, open_signer: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STEP_PASSWORD", PASSWORD)
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "password").write_text(f"{PASSWORD}\n")
    (tmp_path / "password").symlink_to("..data/password")
    listed = BackendSettings(
        SETTINGS.cluster_resource_namespace,
        allowed_servers=SETTINGS.allowed_servers,
        password_variables=frozenset({"STEP_PASSWORD", "NOT_SET"}),
        password_folders=(tmp_path,),
    )
    sources = {"passwordEnv": "STEP_PASSWORD", "passwordFile": str(tmp_path / "password")}
    for field, value in sources.items():
        provisioner = {"name": NAME, "kid": KID, field: value}
        await (await open_signer(provisioner=provisioner, settings=listed)).check()
        with pytest.raises(IssuerBroken) as raised:
            await open_signer(provisioner=provisioner)
        assert raised.value.reason == "PasswordNotAllowed"
        with pytest.raises(IssuerBroken) as raised:
            await open_signer(provisioner=provisioner, settings=listed, key=NAMESPACED)
        assert raised.value.reason == "PasswordNotAllowed"
    for field, value, reason in (
        ("passwordEnv", "NOT_SET", "PasswordNotFound"),
        ("passwordFile", str(tmp_path / "none"), "PasswordNotFound"),
        ("passwordFile", f"{tmp_path}/../../etc/passwd", "PasswordNotAllowed"),
        ("passwordFile", "password", "PasswordNotAllowed"),
    ):
        with pytest.raises(IssuerBroken) as raised:
            await open_signer(provisioner={"name": NAME, "kid": KID, field: value}, settings=listed)
        assert raised.value.reason == reason


async def test_a_link_out_of_a_listed_folder_is_not_followed(open_signer: Open, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(PASSWORD)
    (tmp_path / "listed").mkdir()
    (tmp_path / "listed" / "password").symlink_to(tmp_path / "secret")
    listed = BackendSettings(SETTINGS.cluster_resource_namespace, password_folders=(tmp_path / "listed",))
    with pytest.raises(IssuerBroken) as raised:
        await open_signer(
            provisioner={"name": NAME, "kid": KID, "passwordFile": str(tmp_path / "listed" / "password")},
            settings=listed,
        )
    assert raised.value.reason == "PasswordNotAllowed"


async def test_a_password_file_that_changes_is_read_at_the_next_check(
    step: FakeStepCA, open_signer: Open, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD)
    listed = BackendSettings(SETTINGS.cluster_resource_namespace, password_folders=(tmp_path,))
    signer = await open_signer(
        provisioner={"name": NAME, "kid": KID, "passwordFile": str(file)}, settings=listed
    )
    await signer.check()
    step.password = "rotated"
    with pytest.raises(IssuerBroken):
        await signer.check()
    file.write_text("rotated")
    await signer.check()


@pytest.mark.parametrize(("namespace", "allowed"), [(None, True), ("own", True), ("elsewhere", False)])
async def test_a_password_of_another_namespace_is_refused(
    open_signer: Open, namespace: str | None, allowed: bool
) -> None:
    named = SETTINGS.cluster_resource_namespace if namespace == "own" else namespace
    reference = REF if named is None else {**REF, "namespace": named}
    opened = open_signer(provisioner={"name": NAME, "kid": KID, "passwordRef": reference}, key=CLUSTER)
    if allowed:
        await (await opened).check()
        return
    with pytest.raises(IssuerBroken, match=r"chart: controller\.clusterResourceNamespace") as raised:
        await opened
    assert raised.value.reason == "PasswordNotAllowed"
