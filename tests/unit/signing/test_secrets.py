"""Secrets that issuers of a namespace may not use as credentials, and tokens that are never sent."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, cast

import pytest

from issuer.api.issuers import VaultIssuerSpec
from issuer.api.secrets import SecretKeySelector
from issuer.controller.process.options import DEFAULT_NAMESPACE
from issuer.kube.client import KubeClient, ServiceAccountToken
from issuer.kube.errors import Forbidden, KubeError, Unavailable
from issuer.requests.issuers import IssuerKey
from issuer.servers.allowed import AllowedServers
from issuer.signing.outcomes import IssuerBroken, Retry
from issuer.signing.secrets import NO_KEY_PAIRS, References
from issuer.signing.settings import BackendSettings
from issuer.signing.vault.opening.credentials import CredentialReader
from issuer.vault.login.methods import Kubernetes
from tests.unit.signing.vault.test_logins import CLUSTER, NAMESPACED

REFERENCE = SecretKeySelector(name="s", key="k")
FOR_OTHERS = [
    "kubernetes.io/tls",
    "kubernetes.io/service-account-token",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/dockercfg",
    "kubernetes.io/ssh-auth",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
]


class Kube:
    """An API server with one Secret of a type, and a word about tokens."""

    def __init__(self, kind: str = "Opaque", taken: bool | KubeError = False) -> None:
        self.kind = kind
        self.taken = taken
        self.shown: list[str] = []
        self.made: list[list[str]] = []

    async def get(self, *_: Any) -> dict[str, Any]:
        data = {"k": base64.b64encode(b"value").decode()}
        return {"type": self.kind, "metadata": {"resourceVersion": "1"}, "data": data}

    async def request_token(self, _n: str, _a: str, audiences: Sequence[str], _s: int) -> ServiceAccountToken:
        self.made.append(list(audiences))
        return ServiceAccountToken("jwt", "")

    async def takes_token(self, token: str) -> bool:
        self.shown.append(token)
        if isinstance(self.taken, KubeError):
            raise self.taken
        return self.taken


class Changing(Kube):
    """An API server whose Secret is replaced after each look: all of its entries are its version."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    async def get(self, *_: Any) -> dict[str, Any]:
        self.looks += 1
        version = str(self.looks)
        encoded = base64.b64encode(version.encode()).decode()
        data = {"user": encoded, "password": encoded}
        return {"type": self.kind, "metadata": {"resourceVersion": version}, "data": data}


def references(kube: Kube, *, restricted: bool = True) -> References:
    return References(cast(KubeClient, kube), "team", restricted=restricted)


async def test_entries_of_one_secret_are_of_the_version_that_is_told() -> None:
    """An older one would be used until the Secret changes again: a user with another's password."""
    found = references(Changing())
    read = {
        await found.text(SecretKeySelector(name="s", key=key), None, "where") for key in ("user", "password")
    }
    assert found.versions == {"s": "1"}
    assert read == {"1"}


@pytest.mark.parametrize("kind", FOR_OTHERS)
async def test_secrets_for_others_are_no_credentials_of_a_namespaces_issuer(kind: str) -> None:
    with pytest.raises(IssuerBroken, match=r'where: Secret "team/s" is of type .* Opaque') as caught:
        await references(Kube(kind)).text(REFERENCE, None, "where")
    assert caught.value.reason == "SecretTypeNotAllowed"
    assert await references(Kube(kind), restricted=False).text(REFERENCE, None, "where") == "value"
    # What is read for trust is certificates, and never sent.
    assert await references(Kube(kind)).value(REFERENCE, None, "where") == b"value"


@pytest.mark.parametrize(
    "kind", ["Opaque", "", "kubernetes.io/basic-auth", "example.com/tls", "helm.sh.example.com/x"]
)
async def test_other_secrets_are(kind: str) -> None:
    assert await references(Kube(kind)).text(REFERENCE, None, "where") == "value"


async def test_a_client_certificate_may_be_in_a_tls_secret_and_in_no_other_of_these() -> None:
    assert await references(Kube("kubernetes.io/tls")).value(REFERENCE, None, "w", NO_KEY_PAIRS) == b"value"
    for kind in FOR_OTHERS[1:]:
        with pytest.raises(IssuerBroken, match="type"):
            await references(Kube(kind)).value(REFERENCE, None, "w", NO_KEY_PAIRS)


async def test_a_token_that_the_api_server_takes_is_not_handed_out() -> None:
    with pytest.raises(IssuerBroken, match='could act as ServiceAccount "team/robot"') as caught:
        await references(Kube(taken=True)).service_account_token("robot", ["a", "b"], "where")
    assert caught.value.reason == "AudienceRefused"
    assert "jwt" not in str(caught.value)
    kube = Kube(taken=False)
    assert await references(kube).service_account_token("robot", ["a"], "where") == "jwt"
    assert kube.shown == ["jwt"]


async def test_without_the_api_servers_word_a_token_is_not_handed_out() -> None:
    with pytest.raises(Retry, match="takes the token"):
        await references(Kube(taken=Unavailable("away"))).service_account_token("robot", ["a"], "where")


async def test_tokens_of_cluster_issuers_are_not_shown() -> None:
    kube = Kube(taken=True)
    assert await references(kube, restricted=False).service_account_token("robot", ["a"], "w") == "jwt"
    assert kube.shown == []


@pytest.mark.parametrize(
    ("restricted", "value"), [(True, "chart: namespaceAccess, its"), (False, "chart: clusterIssuers.")]
)
async def test_a_missing_grant_names_the_charts_value(restricted: bool, value: str) -> None:
    class Closed(Kube):
        async def get(self, *_: Any) -> dict[str, Any]:
            raise Forbidden("no")

        async def request_token(self, *_: Any) -> ServiceAccountToken:
            raise Forbidden("no")

    found = references(Closed(), restricted=restricted)
    with pytest.raises(IssuerBroken, match=f"{value} ?secrets"):
        await found.text(REFERENCE, None, "where")
    with pytest.raises(IssuerBroken, match=f"{value} ?serviceAccounts"):
        await found.service_account_token("robot", ["a"], "where")


def spec(method: str, *audiences: str) -> VaultIssuerSpec:
    """An issuer that logs in with a ServiceAccount's token."""
    account = {"serviceAccountRef": {"name": "robot", "audiences": list(audiences)}}
    login = {"role": "r", **account, **({"iamRoleArn": "arn:aws:iam::1:role/r"} if method == "aws" else {})}
    vault = {"server": "https://192.0.2.1", "path": "pki/sign/x", "auth": {method: login}}
    return VaultIssuerSpec.parse({"vault": vault})


def reader(kube: Kube) -> CredentialReader:
    return CredentialReader(cast(KubeClient, kube), BackendSettings(DEFAULT_NAMESPACE))


@pytest.mark.parametrize("method", ["kubernetes", "aws"])
@pytest.mark.parametrize(
    "audience",
    ["vault://prod/prod", "vault://prod", "vault://team/other", "VAULT://prod/prod", " vault://prod/prod",
     "vault://team/vault/", "vault:prod", "vault://team/vault\n"],
)  # fmt: skip
async def test_the_audience_of_another_issuer_is_refused_before_a_token_is_made(
    method: str, audience: str
) -> None:
    kube = Kube()
    with pytest.raises(IssuerBroken, match=r"another issuer's.*vault://team/vault") as caught:
        await reader(kube).read(NAMESPACED, spec(method, "https://ok.test", audience))
    assert caught.value.reason == "AudienceRefused"
    assert kube.made == []
    await reader(kube).read(CLUSTER, spec(method, audience))


async def test_own_and_other_audiences_are_taken() -> None:
    kube = Kube()
    found = await reader(kube).read(
        NAMESPACED, spec("kubernetes", "vault://team/vault", "https://vault.test")
    )
    assert isinstance(found.method, Kubernetes)
    assert await found.method.jwt() == "jwt"
    assert kube.made == [
        ["vault://team/vault", "https://vault.test", "vault://team/vault", "https://192.0.2.1"]
    ]


async def test_nothing_is_read_for_a_server_that_is_not_allowed() -> None:
    options = BackendSettings(DEFAULT_NAMESPACE, allowed_servers=AllowedServers.parse(["vault.example.com"]))
    nobody = CredentialReader(cast(KubeClient, None), options)
    with pytest.raises(IssuerBroken, match=r"spec\.vault\.server") as caught:
        await nobody.read(IssuerKey("VaultIssuer", "team", "vault"), spec("kubernetes"))
    assert caught.value.reason == "ServerNotAllowed"
