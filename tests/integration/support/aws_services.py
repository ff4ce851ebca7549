"""A stand-in of AWS's STS and of Vault's AWS auth, in front of the real OpenBao, which has no such method.

STS's side has the real API server review the ServiceAccount's token, as AWS verifies it by the cluster's OIDC
keys. Vault's side recomputes the signature, as AWS does when Vault sends the signed request on, and gives out
a real OpenBao token. Everything else goes to OpenBao. AWS itself and Vault's own plugin were not tried.
"""

from __future__ import annotations

import base64
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from testbed.cluster import Testbed
from tests.integration.support.forwarding_vault import Answer, ForwardingVault
from tests.sigv4 import signature

ROLE_ARN = "arn:aws:iam::123456789012:role/vault-issuer"
HEADER_VALUE = "vault.example.test"
REGION = "eu-central-1"
MOUNT = "aws"
_CONTENT_TYPE = "application/x-www-form-urlencoded; charset=utf-8"
_BODY = "Action=GetCallerIdentity&Version=2011-06-15"


@dataclass(frozen=True)
class Key:
    """AWS credentials, and the role they are of."""

    secret: str
    session: str
    arn: str


@dataclass
class Trust:
    """What AWS and Vault were told: who may assume a role, and which roles of Vault take it."""

    accounts: set[str] = field(default_factory=set)
    roles: dict[str, str] = field(default_factory=dict)  # a Vault role and its OpenBao policy
    keys: dict[str, Key] = field(default_factory=dict)


class _Refused(Exception):
    """Why the stand-in says no."""


class AWSStandIn(ForwardingVault):
    """``env`` leads a controller's STS calls here; ``logins`` has the token of each good login."""

    def __init__(self, bed: Testbed) -> None:
        super().__init__(bed, "aws-stand-in")
        self._bed = bed
        self.trust = Trust()
        self.audiences: list[list[str]] = []
        self.logins: list[str] = []

    @property
    def env(self) -> dict[str, str]:
        """AWS's own standard variables."""
        return {"AWS_ENDPOINT_URL_STS": self.addr, "AWS_CA_BUNDLE": str(self.ca_file)}

    def forward(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """STS's answer, Vault's to a login, or OpenBao's."""
        if (method, path) == ("POST", "/"):
            return self._sts(body)
        if path == f"/v1/auth/{MOUNT}/login":
            try:
                return 200, json.dumps({"auth": self._login(json.loads(body))}).encode()
            except _Refused as error:
                return 400, json.dumps({"errors": [str(error)]}).encode()
        return self.relay(method, path, headers, body)

    def _sts(self, body: bytes) -> Answer:
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if form["Action"] != "AssumeRoleWithWebIdentity" or form["RoleArn"] != ROLE_ARN:
            return 400, _error("ValidationError", "no such action or role")
        review = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "metadata": {},
            "spec": {"token": form["WebIdentityToken"], "audiences": ["sts.amazonaws.com"]},
        }
        status = self._bed.kube.create(review)["status"]
        if not status.get("authenticated"):
            return 400, _error("InvalidIdentityToken", "Incorrect token audience, or signed by somebody else")
        if status["user"]["username"] not in self.trust.accounts:
            return 403, _error("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")
        claims = form["WebIdentityToken"].split(".")[1]
        self.audiences.append(json.loads(base64.urlsafe_b64decode(claims + "=="))["aud"])
        name, key = (
            "ASIA" + secrets.token_hex(8).upper(),
            Key(secrets.token_hex(20), secrets.token_hex(20), ROLE_ARN),
        )
        self.trust.keys[name] = key
        return 200, (
            '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
            "<AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{name}</AccessKeyId><SecretAccessKey>{key.secret}</SecretAccessKey>"
            f"<SessionToken>{key.session}</SessionToken></Credentials></AssumeRoleWithWebIdentityResult>"
            "</AssumeRoleWithWebIdentityResponse>"
        ).encode()

    def _login(self, sent: dict[str, str]) -> dict[str, Any]:
        url, body = (base64.b64decode(sent[f"iam_request_{part}"]).decode() for part in ("url", "body"))
        raw = json.loads(base64.b64decode(sent["iam_request_headers"]))
        headers = {name.lower(): ",".join(values) for name, values in raw.items()}
        policy = self.trust.roles.get(sent["role"])
        if policy is None:
            raise _Refused(f'entry for role "{sent["role"]}" not found')
        if headers.get("x-vault-aws-iam-server-id") != HEADER_VALUE:
            raise _Refused("error validating X-Vault-AWS-IAM-Server-ID header")
        if self._who(sent["iam_http_request_method"], url, body, headers) != ROLE_ARN:
            raise _Refused("IAM Principal does not belong to the role")
        made = self._bed.vault.call(
            "POST",
            "auth/token/create",
            {"policies": [policy], "ttl": "20m", "no_parent": True, "display_name": f"aws-{sent['role']}"},
        )["auth"]
        self.logins.append(str(made["client_token"]))
        return dict(made)

    def _who(self, method: str, url: str, body: str, headers: dict[str, str]) -> str:
        """As AWS: the ARN of who signed."""
        host = f"sts.{REGION}.amazonaws.com"
        credential = headers["authorization"].split("Credential=")[1].split(",")[0].split("/")
        key = self.trust.keys.get(credential[0])
        signed = headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
        sent_at = datetime.strptime(headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        wrong = {
            "request": (method, url, body) != ("POST", f"https://{host}/", _BODY),
            "host": headers["host"] != host or headers["content-type"] != _CONTENT_TYPE,
            "scope": credential[2:] != [REGION, "sts", "aws4_request"],
            "headers": not {"host", "x-amz-date", "x-vault-aws-iam-server-id"} <= set(signed),
            "time": abs(datetime.now(UTC) - sent_at) > timedelta(minutes=15),
            "key": key is None,
        }
        if key is not None:
            wrong["session"] = headers.get("x-amz-security-token", "") != key.session
            wanted = signature(headers, body, key.secret, REGION)
            wrong["signature"] = not headers["authorization"].endswith(f"Signature={wanted}")
        found = [name for name, is_wrong in wrong.items() if is_wrong]
        if key is None or found:
            raise _Refused(f"error making upstream request: received error code 403 from STS: {found}")
        return key.arn


def _error(code: str, message: str) -> bytes:
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<ErrorResponse>{error}</ErrorResponse>".encode()
