"""AWS logins: what is signed, which region, and what STS may answer."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from issuer.vault.errors import LoginRefused, STSUnavailable
from issuer.vault.login.aws import AWSCredentials, AWSIdentity, region_of
from issuer.vault.login.sts import TokenService
from tests.sigv4 import signature
from tests.unit.vault import fake
from tests.unit.vault.aws_fake import GRANTED, fake_sts, refused
from tests.unit.vault.fake import FakeVault, client_of, fake_vault

LOGIN = "POST /v1/auth/aws/login"
ARN = "arn:aws:iam::123456789012:role/vault"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


async def keys() -> AWSCredentials:
    return AWSCredentials("ASIAEXAMPLE", "very/secret", "session==")


async def sent(identity: AWSIdentity) -> tuple[FakeVault, dict[str, str], dict[str, str]]:
    """Return the fake Vault's request: the fake, the body decoded, and the signed headers in lower case."""
    async with fake_vault() as vault, client_of(vault) as client:
        vault.tell(LOGIN, fake.login("s.one"))
        await identity.login(client)
        body = {
            name.removeprefix("iam_request_"): base64.b64decode(value).decode()
            for name, value in vault.calls[0].body.items()
            if name.startswith("iam_request_")
        }
        headers = {name.lower(): ",".join(value) for name, value in json.loads(body["headers"]).items()}
        return vault, body, headers


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "sts.eu-central-1.amazonaws.com"),
        ("us-east-1", "sts.us-east-1.amazonaws.com"),
        ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
    ],
)
async def test_a_regions_own_host_is_signed_for(region: str, host: str) -> None:
    vault, body, headers = await sent(AWSIdentity("web", region, keys, "vault.example.com"))
    assert vault.calls[0].body["role"] == "web"
    assert vault.calls[0].body["iam_http_request_method"] == "POST"
    assert body["url"] == f"https://{host}/"
    assert body["body"] == "Action=GetCallerIdentity&Version=2011-06-15"
    assert headers["host"] == host
    assert headers["x-amz-security-token"] == "session=="
    assert headers["x-vault-aws-iam-server-id"] == "vault.example.com"
    assert "x-vault-aws-iam-server-id" in headers["authorization"]
    wanted = signature(headers, body["body"], "very/secret", region)
    assert headers["authorization"].endswith(f"Signature={wanted}")
    assert f"ASIAEXAMPLE/{headers['x-amz-date'][:8]}/{region}/sts" in headers["authorization"]


async def test_without_a_header_value_or_session_none_is_sent() -> None:
    async def lasting() -> AWSCredentials:
        return AWSCredentials("AKIA", "secret")

    _, _, headers = await sent(AWSIdentity("web", "eu-west-1", lasting))
    assert not {"x-vault-aws-iam-server-id", "x-amz-security-token"} & headers.keys()


async def test_a_role_that_does_not_match_is_told_with_what_to_check() -> None:
    async with fake_vault() as vault, client_of(vault) as client:
        vault.tell(
            LOGIN, (400, {"errors": ["IAM Principal arn:aws:iam::1:role/x does not belong to the role"]})
        )
        with pytest.raises(LoginRefused, match=r"does not belong.*bound_iam_principal_arn.*eu-west-1"):
            await AWSIdentity("web", "eu-west-1", keys).login(client)


@pytest.mark.parametrize("value", ["two\r\nX-Other: lines", " blank ", "ключ"])
async def test_a_header_value_that_would_break_the_request_is_refused(value: str) -> None:
    async with fake_vault() as vault, client_of(vault) as client:
        with pytest.raises(LoginRefused, match="vaultHeaderValue"):
            await AWSIdentity("web", "eu-west-1", keys, value).login(client)


ENVIRONMENT = {"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-2"}


@pytest.mark.parametrize(
    ("wanted", "environment", "ambient", "region"),
    [
        ("eu-central-1", ENVIRONMENT, False, "eu-central-1"),
        ("eu-central-1", ENVIRONMENT, True, "eu-west-1"),
        ("eu-central-1", {}, True, "eu-central-1"),
        (None, ENVIRONMENT, False, "eu-west-1"),
        (None, {"AWS_DEFAULT_REGION": "eu-west-2"}, True, "eu-west-2"),
        (None, {}, False, "us-east-1"),
    ],
)
def test_the_region_is_found_as_cert_manager_finds_it(
    wanted: str | None, environment: dict[str, str], ambient: bool, region: str
) -> None:
    assert region_of(wanted, environment, ambient=ambient) == region


@pytest.mark.parametrize(
    "wanted", ["x.evil.test/", "evil.test#", "eu-central-1.evil.test", "EU", "a" * 60, "-a"]
)
def test_a_region_is_no_way_to_another_host(wanted: str) -> None:
    with pytest.raises(ValueError, match="eu-central-1"):
        region_of(wanted, {}, ambient=False)


async def test_a_service_accounts_token_becomes_credentials(tmp_path: Path) -> None:
    async with fake_sts(tmp_path) as (sts, environment):
        sts.replies["POST /"] = (200, GRANTED)
        found = await TokenService.of("eu-west-1", environment, 5).assume_role(ARN, JWT)
    assert found == AWSCredentials("ASIAEXAMPLE", "very/secret&key", "session==")
    assert sts.calls[0].form == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ARN,
        "RoleSessionName": "vault-issuer",
        "DurationSeconds": "900",
        "WebIdentityToken": JWT,
    }
    assert "secret" not in repr(found)
    assert "session" not in repr(found)


def test_the_regions_own_service_is_asked_unless_the_environment_names_another() -> None:
    assert TokenService.of("eu-west-1", {}, 5).url == "https://sts.eu-west-1.amazonaws.com"
    other = {"AWS_ENDPOINT_URL_STS": "https://sts.test", "AWS_ENDPOINT_URL": "https://all.test"}
    assert TokenService.of("eu-west-1", other, 5).url == "https://sts.test"
    with pytest.raises(LoginRefused, match="https"):
        TokenService.of("eu-west-1", {"AWS_ENDPOINT_URL": "http://all.test"}, 5)


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (403, refused("AccessDenied", "Not authorized"), LoginRefused, "trust policy.*Not authorized"),
        (
            400,
            refused("InvalidIdentityToken", f"bad {JWT}"),
            LoginRefused,
            r"InvalidIdentityToken.*\[redacted",
        ),
        (400, refused("ExpiredTokenException", "late"), LoginRefused, "late"),
        (400, refused("IDPCommunicationError", "no keys"), STSUnavailable, "no keys"),
        (400, refused("Throttling", "Rate exceeded"), STSUnavailable, "Rate exceeded"),
        (503, "no XML at all", STSUnavailable, "503"),
        (200, "no XML at all", LoginRefused, "without credentials"),
        (200, GRANTED.replace("SessionToken", "Other"), LoginRefused, "without credentials"),
        (200, "<a>" * 100_000, LoginRefused, "without credentials"),
        (200, b"x" * (1024 * 1024 + 1), LoginRefused, "larger than"),
    ],
)
async def test_what_sts_answers_is_told(
    tmp_path: Path, status: int, body: str | bytes, error: type[Exception], says: str
) -> None:
    async with fake_sts(tmp_path) as (sts, environment):
        sts.replies["POST /"] = (status, body)
        with pytest.raises(error, match=says) as caught:
            await TokenService.of("eu-west-1", environment, 5).assume_role(ARN, JWT)
    assert "eyJ" not in str(caught.value)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>'
FETCHES = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize("doctype", [LAUGHS, FETCHES])
async def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path, doctype: str) -> None:
    async with fake_sts(tmp_path) as (sts, environment):
        sts.replies["POST /"] = (200, doctype + GRANTED.replace("very", "&a;"))
        with pytest.raises(LoginRefused, match="without credentials"):
            await TokenService.of("eu-west-1", environment, 5).assume_role(ARN, JWT)


async def test_an_sts_that_is_not_trusted_or_not_there_is_told(tmp_path: Path) -> None:
    async with fake_sts(tmp_path) as (sts, environment):
        untrusting = {"AWS_ENDPOINT_URL_STS": environment["AWS_ENDPOINT_URL_STS"]}
        with pytest.raises(LoginRefused, match=r"TLS to AWS STS.*AWS_CA_BUNDLE"):
            await TokenService.of("eu-west-1", untrusting, 5).assume_role(ARN, JWT)
        assert not sts.calls
    with pytest.raises(STSUnavailable, match="AWS STS"):
        await TokenService.of("eu-west-1", environment, 5).assume_role(ARN, JWT)
