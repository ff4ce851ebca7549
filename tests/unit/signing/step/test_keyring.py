"""Keys of one issuer hold up no other: what is known is given at once, and decrypting goes by turns."""

from __future__ import annotations

import asyncio
import gc
import json
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.requests.issuers import IssuerKey
from issuer.signing.step.provisioner.keyring import IssuerKeyring, Keyring
from issuer.step.errors import KeyUnusable, WrongPassword
from issuer.step.jwe import EncryptedKey
from issuer.step.keys import read_public
from tests.unit.step.fake import encrypted, jwk

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = read_public(jwk(KEY, private=False))
SLOW = b"slow"


def sealed() -> str:
    return encrypted(json.dumps(jwk(KEY, private=True)).encode(), "right")


def tenant(namespace: str, name: str = "ca") -> IssuerKey:
    return IssuerKey("StepIssuer", namespace, name)


async def test_a_known_key_and_the_clusters_wait_for_no_tenants_key(monkeypatch: pytest.MonkeyPatch) -> None:
    began, go_on = threading.Event(), threading.Event()
    decrypt = EncryptedKey.decrypt

    def maybe_held(self: EncryptedKey, password: bytes) -> bytes:
        if password == SLOW:
            began.set()
            go_on.wait()
        return decrypt(self, password)

    monkeypatch.setattr(EncryptedKey, "decrypt", maybe_held)
    keyring = Keyring()
    known, text = keyring.of(tenant("team-a")), sealed()
    first = await known.open(text, b"right", PUBLIC)
    task = asyncio.create_task(keyring.of(tenant("team-b")).open(sealed(), SLOW, PUBLIC))
    try:
        await asyncio.to_thread(began.wait)
        assert await known.open(text, b"right", PUBLIC) is first
        await keyring.of(IssuerKey("StepClusterIssuer", "", "ca")).open(sealed(), b"right", PUBLIC)
        assert not task.done()
    finally:
        go_on.set()
    with pytest.raises(WrongPassword):
        await task


async def test_tenants_keys_are_opened_one_at_a_time_and_by_turns() -> None:
    order: list[str] = []

    async def note(name: str, of: IssuerKeyring) -> None:
        with pytest.raises(WrongPassword):
            await of.open(sealed(), b"wrong", PUBLIC)
        order.append(name)

    keyring = Keyring()
    many = [note(f"a{n}", keyring.of(tenant("team-a", f"{n}"))) for n in range(5)]
    await asyncio.gather(*many, note("b", keyring.of(tenant("team-b"))))
    assert order.index("b") == 1, order


async def test_other_issuers_push_no_key_out() -> None:
    keyring, text = Keyring(), sealed()
    mine = keyring.of(tenant("team-a"))
    first = await mine.open(text, b"right", PUBLIC)
    others = [keyring.of(tenant("team-b", f"{n}")) for n in range(300)]
    for other in others:
        with pytest.raises(KeyUnusable):
            await other.open("none", None, PUBLIC)
    assert await keyring.of(tenant("team-a")).open(text, b"right", PUBLIC) is first


async def test_keys_of_issuers_that_are_gone_are_not_kept() -> None:
    keyring = Keyring()
    for n in range(10):
        await keyring.of(tenant(f"team-{n}")).open(sealed(), b"right", PUBLIC)
    gc.collect()
    assert len(keyring._issuers) == len(keyring._namespaces) == 0
