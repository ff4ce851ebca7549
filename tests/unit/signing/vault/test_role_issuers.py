"""The CA that is checked is the one that signs: the role's own where the login may read the role."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import Any

import pytest

from issuer.signing.outcomes import IssuerBroken
from issuer.signing.signer import Health
from tests.ca import TestCA, pem
from tests.unit.signing.vault.signers import made
from tests.unit.vault import fake
from tests.unit.vault.fake import FakeVault

NAMED = "GET /v1/pki/issuer/named/json"
OTHER = pem(TestCA.make().root).strip()
NO_CHAIN = (204, "")
MAY_READ = (200, {"data": {"pki/roles/web": ["read"]}})
MAY_NOT = (200, {"data": {"pki/roles/web": ["deny"]}})


@pytest.fixture
async def vault(vault: FakeVault) -> FakeVault:
    """A mount whose default issuer signs."""
    vault.tell(fake.SIGN, fake.EMPTY_CSR)
    vault.tell(NAMED, (200, {"data": {"ca_chain": [OTHER]}}))
    return vault


def readable(vault: FakeVault, **role: Any) -> None:
    """The login may read the role, which is this."""
    vault.tell(fake.CAPABILITIES, MAY_READ)
    vault.tell(fake.ROLE, (200, {"data": role}))


async def checked(vault: FakeVault, stack: AsyncExitStack) -> Health:
    return await made(vault, stack).check()


async def refusal(vault: FakeVault, stack: AsyncExitStack) -> IssuerBroken:
    with pytest.raises(IssuerBroken) as caught:
        await checked(vault, stack)
    return caught.value


async def test_a_role_that_leases_is_told_before_anything_is_signed(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    readable(vault, generate_lease=True)
    assert any("generate_lease=true" in one for one in (await checked(vault, stack)).warnings)


async def test_the_issuer_that_the_role_names_is_checked(vault: FakeVault, stack: AsyncExitStack) -> None:
    readable(vault, issuer_ref="named", not_after="")
    signer = made(vault, stack)
    health = await signer.check()
    assert (health.ca_pem.strip(), health.ca_assumed) == (OTHER, "")
    # From then on it is read at once, and the default no more.
    before = len(vault.made(fake.CHAIN))
    assert (await signer.check()).ca_pem.strip() == OTHER
    assert len(vault.made(fake.CHAIN)) == before
    readable(vault, issuer_ref="default")
    assert (await signer.check()).ca_pem == fake.CERTIFICATE


async def test_a_default_that_is_assumed_is_told_with_both_ways_out(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    health = await checked(vault, stack)
    assert health.ca_pem == fake.CERTIFICATE
    assert '"read" on "pki/roles/web"' in health.ca_assumed
    assert '"pki/issuer/<name>/sign/web"' in health.ca_assumed
    readable(vault, issuer_ref="default")
    assert (await checked(vault, stack)).ca_assumed == ""


async def test_a_mount_without_a_default_signs_by_the_roles_issuer(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(fake.CHAIN, NO_CHAIN)
    readable(vault, issuer_ref="named")
    assert (await checked(vault, stack)).ca_pem.strip() == OTHER


@pytest.mark.parametrize("answer", [MAY_NOT, fake.POLICY_DENIES, (200, {"data": {}})])
async def test_a_mount_without_a_default_under_a_secret_role_tells_both_ways_out(
    vault: FakeVault, stack: AsyncExitStack, answer: fake.Reply
) -> None:
    vault.tell(fake.CHAIN, NO_CHAIN)
    vault.tell(fake.CAPABILITIES, answer)
    error = await refusal(vault, stack)
    assert error.reason == "CANotReady"
    assert '"read" on "pki/roles/web"' in error.message
    assert '"pki/issuer/<name>/sign/web"' in error.message
    assert "set a default issuer" in error.message
    assert vault.made(fake.SIGN) == [], "nothing proved that this is a PKI engine"


async def test_a_token_that_ended_is_replaced_before_a_role_is_called_secret(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(fake.CHAIN, NO_CHAIN)
    readable(vault, issuer_ref="named")
    vault.tell(fake.CAPABILITIES, fake.BAD_TOKEN, MAY_READ)
    assert (await checked(vault, stack)).ca_pem.strip() == OTHER
    assert len(vault.made(fake.APPROLE_LOGIN)) == 2


async def test_a_mount_without_a_default_under_a_role_of_the_default_wants_a_default(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    vault.tell(fake.CHAIN, NO_CHAIN)
    readable(vault, issuer_ref="default")
    error = await refusal(vault, stack)
    assert (error.reason, "roles/web" in error.message) == ("CANotReady", False)


async def test_a_role_that_names_an_issuer_that_is_gone_says_so(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    readable(vault, issuer_ref="named")
    vault.tell(NAMED, (500, {"errors": ["unable to find PKI issuer for reference: named"]}))
    error = await refusal(vault, stack)
    assert error.reason == "IssuerNotFound"
    assert 'The role "web"' in error.message


async def test_a_role_with_a_fixed_end_says_so_before_any_request(
    vault: FakeVault, stack: AsyncExitStack
) -> None:
    readable(vault, issuer_ref="default", not_after="2027-01-01T00:00:00Z")
    error = await refusal(vault, stack)
    assert error.reason == "RoleSetsNotAfter"
    assert "vault patch pki/roles/web not_after=''" in error.message


async def test_sign_verbatim_has_no_use_for_a_fixed_end(vault: FakeVault, stack: AsyncExitStack) -> None:
    readable(vault, not_after="2027-01-01T00:00:00Z")
    vault.tell("POST /v1/pki/sign-verbatim/web", fake.EMPTY_CSR)
    assert (await made(vault, stack, "pki/sign-verbatim/web").check()).ca_pem == fake.CERTIFICATE


async def test_the_paths_own_issuer_comes_before_the_roles(vault: FakeVault, stack: AsyncExitStack) -> None:
    readable(vault, issuer_ref="another")
    vault.tell("POST /v1/pki/issuer/named/sign/web", fake.EMPTY_CSR)
    health = await made(vault, stack, "pki/issuer/named/sign/web").check()
    assert (health.ca_pem.strip(), health.ca_assumed) == (OTHER, "")
