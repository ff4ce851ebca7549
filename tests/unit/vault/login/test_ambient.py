"""The controller's own AWS credentials: each source, and that nothing else is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from issuer.vault.errors import LoginRefused
from issuer.vault.login.ambient import AmbientCredentials
from issuer.vault.login.aws import AWSCredentials
from tests.unit.vault.aws_fake import GRANTED, FakeAWS, fake_metadata, fake_sts

DOCUMENT = '{"Code":"Success","AccessKeyId":"ASIA","SecretAccessKey":"hidden","Token":"t==","Expiration":"x"}'
FOUND = AWSCredentials("ASIA", "hidden", "t==")
ROLES = "/latest/meta-data/iam/security-credentials/"


async def find(environment: dict[str, str]) -> AWSCredentials:
    return await AmbientCredentials(environment, "eu-west-1", 5).find()


async def test_keys_of_the_environment_go_first() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "hidden"}
    more = {"AWS_ROLE_ARN": "arn", "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"}
    assert await find({**keys, **more}) == AWSCredentials("AKIA", "hidden")
    assert await find({**keys, "AWS_SESSION_TOKEN": "t=="}) == AWSCredentials("AKIA", "hidden", "t==")


async def test_the_web_identity_of_the_pod(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a.jwt\n")
    async with fake_sts(tmp_path) as (sts, environment):
        sts.replies["POST /"] = (200, GRANTED)
        pod = {"AWS_ROLE_ARN": "arn:aws:iam::1:role/pod", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
        assert (await find({**environment, **pod})).access_key == "ASIAEXAMPLE"
        token.write_text("a.newer.jwt\n")
        await find({**environment, **pod})
    assert [call.form["WebIdentityToken"] for call in sts.calls] == ["a.jwt", "a.newer.jwt"]
    assert sts.calls[0].form["RoleArn"] == "arn:aws:iam::1:role/pod"


async def test_the_container_endpoint_with_its_authorization(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # never asked
    monkeypatch.delenv("no_proxy", raising=False)
    (tmp_path / "authorization").write_text("pod-token\n")
    async with fake_metadata() as node:
        node.replies["GET /v1/credentials"] = (200, DOCUMENT)
        environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{node.url}/v1/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "authorization"),
        }
        assert await find(environment) == FOUND
    assert node.calls[0].headers["Authorization"] == "pod-token"


@pytest.mark.parametrize(
    "environment",
    [
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://metadata.example.test/v1"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/v1"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "file:///etc/hostname"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": ".example.test/v1"},
        {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "@example.test/v1"},
    ],
)
async def test_plain_http_goes_to_the_node_only(environment: dict[str, str]) -> None:
    with pytest.raises(LoginRefused, match="address of the node"):
        await find(environment)


def instance(node: FakeAWS) -> dict[str, str]:
    """A node with a role, by version 2 of the metadata service."""
    node.replies["PUT /latest/api/token"] = (200, "session")
    node.replies[f"GET {ROLES}"] = (200, "node-role\n")
    node.replies[f"GET {ROLES}node-role"] = (200, DOCUMENT)
    return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": node.url}


async def test_the_instances_role_by_a_metadata_session() -> None:
    async with fake_metadata() as node:
        assert await find(instance(node)) == FOUND
    headers = [{name.lower(): value for name, value in call.headers.items()} for call in node.calls]
    assert headers[0]["x-aws-ec2-metadata-token-ttl-seconds"] == "60"
    assert [one.get("x-aws-ec2-metadata-token") for one in headers] == [None, "session", "session"]


@pytest.mark.parametrize(
    ("what", "answer"),
    [
        ("PUT /latest/api/token", (403, "")),
        (f"GET {ROLES}", (404, "")),
        (f"GET {ROLES}", (200, "")),
        (f"GET {ROLES}node-role", (200, "no JSON")),
        (f"GET {ROLES}node-role", (200, '{"Code":"Failed"}')),
        (f"GET {ROLES}node-role", (200, '{"AccessKeyId":1,"SecretAccessKey":2}')),
        (f"GET {ROLES}node-role", (200, "[]")),
    ],
)
async def test_a_node_without_a_role_is_told_with_what_to_do(what: str, answer: tuple[int, str]) -> None:
    async with fake_metadata() as node:
        environment = instance(node)
        node.replies[what] = answer
        with pytest.raises(LoginRefused, match=r"Pod Identity.*serviceAccountRef"):
            await find(environment)


async def test_without_any_source_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoginRefused, match="AWS_EC2_METADATA_DISABLED"):
        await find({"AWS_EC2_METADATA_DISABLED": "true"})
    with pytest.raises(LoginRefused, match="AWS_WEB_IDENTITY_TOKEN_FILE"):
        await find({"AWS_ROLE_ARN": "a", "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "none")})
