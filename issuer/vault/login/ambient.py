"""The controller's own AWS credentials, from where AWS puts them for a workload.

Environment, web identity (IRSA), container endpoint (EKS Pod Identity, ECS), EC2 instance metadata (version 2
only), in this order; shared files and profiles are for people and are not read. botocore would know all this,
but holds back python-dateutil, and with it the Kubernetes client.
Source: https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from yarl import URL

from issuer.transport.failures import Answer
from issuer.transport.sender import Sender
from issuer.vault.connection import Connection
from issuer.vault.errors import InvalidConnection, LoginRefused, VaultError
from issuer.vault.login.aws import AWSCredentials
from issuer.vault.login.sts import TokenService

_METHOD = "AWS ambient credentials"
_LINK_SECONDS = 5.0  # the endpoints below are on the node; where there is none, packets may vanish
_ECS = "http://169.254.170.2"
_METADATA = "http://169.254.169.254"
# Plain http is for these only: loopback, ECS, and EKS Pod Identity.
_ON_NODE = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23", "localhost"})
_MAX_FILE_BYTES = 64 * 1024
_ROLES = "/latest/meta-data/iam/security-credentials/"


@dataclass(frozen=True, slots=True)
class AmbientCredentials:
    """The controller's own AWS credentials, looked for at each call, so that changes are noticed."""

    environment: Mapping[str, str]
    region: str
    timeout: float

    async def find(self) -> AWSCredentials:
        """Return the credentials of the first source that is set up. Raises LoginRefused, or STSUnavailable
        for web identity."""
        env = self.environment
        if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
            return AWSCredentials(
                env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", "")
            )
        if env.get("AWS_ROLE_ARN") and env.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
            token = _read("AWS_WEB_IDENTITY_TOKEN_FILE", env["AWS_WEB_IDENTITY_TOKEN_FILE"])
            service = TokenService.of(self.region, env, self.timeout)
            return await service.assume_role(env["AWS_ROLE_ARN"], token)
        if env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
            return await self._container(_ECS + env["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"])
        if env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return await self._container(env["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
        if env.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
            raise _refused("it has none, and AWS_EC2_METADATA_DISABLED is set")
        return await self._instance()

    async def _container(self, address: str) -> AWSCredentials:
        url = _node_url(address)
        headers = {"Accept": "application/json"}
        env = self.environment
        if env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            path = env["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]
            headers["Authorization"] = _read("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path)
        elif env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"):
            headers["Authorization"] = env["AWS_CONTAINER_AUTHORIZATION_TOKEN"].strip()
        what = "the container credentials endpoint"
        async with _Node(str(url.origin()), what) as node:
            return _credentials(await node.ask("GET", url.raw_path_qs, headers), what)

    async def _instance(self) -> AWSCredentials:
        what = "the EC2 metadata service"
        endpoint = self.environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or _METADATA
        async with _Node(endpoint, what) as node:
            ttl = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
            token = _line(await node.ask("PUT", "/latest/api/token", ttl), what)
            session = {"X-aws-ec2-metadata-token": token}
            role = _line(await node.ask("GET", _ROLES, session), what)
            path = URL(_ROLES).joinpath(role.split("/")[0]).raw_path
            return _credentials(await node.ask("GET", path, session), what)


class _Node:
    """A client for short calls to an endpoint of the node, never through a proxy."""

    def __init__(self, address: str, what: str) -> None:
        self._what = what
        try:
            self._sender = Sender(Connection(address, timeout=_LINK_SECONDS), peer=what, direct=True)
        except InvalidConnection as error:
            raise _refused(f"the address of {what} is not one") from error

    async def __aenter__(self) -> _Node:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sender.close()

    async def ask(self, method: str, path: str, headers: Mapping[str, str]) -> Answer:
        try:
            answer = await self._sender.send(method, path, headers, None)
        except VaultError as error:
            raise _refused(str(error)) from error
        if answer.status != 200:
            raise _refused(f"{self._what} answered {answer.status}: has this workload an AWS role?")
        return answer


def _node_url(address: str) -> URL:
    try:
        url = URL(address)
        host = url.host or ""
        on_node = host in _ON_NODE or (url.scheme == "http" and ipaddress.ip_address(host).is_loopback)
    except ValueError:
        url, on_node = URL(), False
    if url.scheme != "https" and not (url.scheme == "http" and on_node):
        raise _refused("AWS_CONTAINER_CREDENTIALS_FULL_URI must be https, or an address of the node")
    return url


def _read(name: str, path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode("ascii").strip()
    except (OSError, ValueError) as error:
        raise _refused(f"the file that {name} names can't be read") from error
    if not text or not text.isprintable():
        raise _refused(f"the file that {name} names holds no token")
    return text


def _line(answer: Answer, what: str) -> str:
    text = answer.body[:1024].decode("ascii", errors="replace").strip().partition("\n")[0].strip()
    if not text or not text.isascii() or not text.isprintable():
        raise _refused(f"{what} answered something else than was asked: has this node an AWS role?")
    return text


def _credentials(answer: Answer, what: str) -> AWSCredentials:
    try:
        found: Any = orjson.loads(answer.body)
        values = [found["AccessKeyId"], found["SecretAccessKey"], found.get("Token") or ""]
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise _refused(f"{what} answered without credentials") from error
    if not all(isinstance(value, str) for value in values):
        raise _refused(f"{what} answered without credentials")
    return AWSCredentials(*values)


def _refused(why: str) -> LoginRefused:
    return LoginRefused(
        f"The controller's own AWS credentials can't be had: {why}. Give its pod an AWS role (EKS Pod "
        "Identity, IRSA, an instance profile), or set auth.aws.serviceAccountRef and iamRoleArn",
        method=_METHOD,
    )
