"""Logins that an issuer's spec alone decides, without reading a Secret."""

from __future__ import annotations

from typing import Any

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.process.options import DEFAULT_NAMESPACE
from issuer.kube.client import KubeClient
from issuer.requests.issuers import IssuerKey
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.reasons import SigningIssuerReason
from issuer.signing.settings import BackendSettings
from issuer.signing.vault.opening.credentials import CredentialReader
from issuer.vault.login.aws import AWSIdentity
from issuer.vault.login.methods import AppRole

NAMESPACED = IssuerKey("VaultIssuer", "team", "vault")
CLUSTER = IssuerKey("VaultClusterIssuer", "", "vault")


def spec(**aws: Any) -> VaultIssuerSpec:
    """An issuer that logs in by AWS."""
    vault = {"server": "https://vault.test", "path": "pki/sign/x", "auth": {"aws": {"role": "web", **aws}}}
    return VaultIssuerSpec.parse({"vault": vault})


def reader(options: BackendSettings | None = None) -> CredentialReader:
    """One that asks no API server: what is read here refers to nothing."""
    client: KubeClient = None  # type: ignore[assignment]
    return CredentialReader(client, options or BackendSettings(DEFAULT_NAMESPACE))


async def test_by_default_cluster_issuers_alone_use_the_controllers_own_aws_identity() -> None:
    found = await reader().read(CLUSTER, spec(vaultHeaderValue="v", mountPath="/v1/auth/amazon"))
    assert isinstance(found.method, AWSIdentity)
    assert (found.method.role, found.method.header_value) == ("web", "v")
    assert found.method.name == "AWS login at auth/amazon"
    with pytest.raises(IssuerBroken, match=r"VaultIssuers.*--issuer-ambient-credentials"):
        await reader().read(NAMESPACED, spec())


async def test_flags_say_who_uses_the_controllers_own_aws_identity() -> None:
    options = BackendSettings(
        DEFAULT_NAMESPACE, issuer_ambient_credentials=True, cluster_issuer_ambient_credentials=False
    )
    assert isinstance((await reader(options).read(NAMESPACED, spec())).method, AWSIdentity)
    with pytest.raises(IssuerBroken, match="--cluster-issuer-ambient-credentials"):
        await reader(options).read(CLUSTER, spec())
    assumed = spec(serviceAccountRef={"name": "x"}, iamRoleArn="arn:aws:iam::1:role/x")
    assert isinstance((await reader(options).read(CLUSTER, assumed)).method, AWSIdentity)


def role_without_secret_id() -> VaultIssuerSpec:
    """An issuer that logs in by a role ID alone."""
    auth = {"appRole": {"path": "", "roleId": "a-role-id"}}
    return VaultIssuerSpec.parse(
        {"vault": {"server": "https://vault.test", "path": "pki/sign/x", "auth": auth}}
    )


async def test_by_default_cluster_issuers_alone_log_in_without_a_secret_id() -> None:
    found = await reader().read(CLUSTER, role_without_secret_id())
    assert found.method == AppRole("a-role-id", None)
    with pytest.raises(
        IssuerBroken, match=r"VaultIssuers.*secretRef.*--issuer-ambient-credentials"
    ) as caught:
        await reader().read(NAMESPACED, role_without_secret_id())
    assert caught.value.reason == SigningIssuerReason.AMBIENT_CREDENTIALS_NOT_ALLOWED
    allowed = BackendSettings(DEFAULT_NAMESPACE, issuer_ambient_credentials=True)
    assert (await reader(allowed).read(NAMESPACED, role_without_secret_id())).method == found.method


@pytest.mark.parametrize("region", ["evil.test/", "EU", "a.b"])
async def test_a_region_that_is_none_is_the_issuers_fault(region: str) -> None:
    with pytest.raises(IssuerBroken, match=r"spec.vault.auth.aws.region"):
        await reader().read(CLUSTER, spec(region=region))
