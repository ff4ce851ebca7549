"""The provisioner's key and password: where they are read, and what is said of those that don't fit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.signing.contract import FakeKubernetes
from issuer.signing.outcomes import (
    IssuerBroken,
)
from issuer.signing.settings import BackendSettings
from issuer.step.jwe import EncryptedKey
from tests.unit.signing.step.conftest import CLUSTER, NAMESPACED, SETTINGS, Open
from tests.unit.signing.step.requests import answering, asked
from tests.unit.step.fake import (
    KID,
    NAME,
    PASSWORD,
    SIGN,
    FakeStepCA,
    encrypted,
    jwk,
)

REF = {"name": "step", "key": "password"}


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


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n", "\r", "\r\n\r\n"])
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


@pytest.mark.parametrize("how", ["jwk", "jwe", "json"])
async def test_a_key_may_be_given_in_a_secret(
    step: FakeStepCA, kube: FakeKubernetes, open_signer: Open, how: str
) -> None:
    step.answer = answering(f"GET /provisioners/{KID}/encrypted-key", 404)
    step.lists_encrypted_key = False
    private = json.dumps(jwk(step.key, private=True))
    text = private if how == "jwk" else encrypted(private.encode(), PASSWORD)
    if how == "json":  # as `step crypto jwk create` writes it
        parts = ("protected", "encrypted_key", "iv", "ciphertext", "tag")
        text = json.dumps(dict(zip(parts, text.split("."), strict=True)))
    kube.put_secret("key", {"key.json": text.encode()})
    provisioner = {"name": NAME, "kid": KID, "keyRef": {"name": "key"}}
    if how != "jwk":
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
    os.mkfifo(tmp_path / "pipe")  # opened as usual it would stop the whole process
    for field, value, reason in (
        ("passwordEnv", "NOT_SET", "PasswordNotFound"),
        ("passwordFile", str(tmp_path / "none"), "PasswordNotFound"),
        ("passwordFile", str(tmp_path / "pipe"), "PasswordNotFound"),
        ("passwordFile", str(tmp_path), "PasswordNotFound"),
        ("passwordFile", f"{tmp_path}/\x00", "PasswordNotFound"),
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
