"""AWS IAM logins: a signed `sts:GetCallerIdentity` that Vault sends on to learn who signed it.

Source: https://developer.hashicorp.com/vault/docs/auth/aws#iam-auth-method, and cert-manager v1.21's
`internal/vault/vault.go` for regions, audiences and the host that is signed for. The signer is hvac's.
"""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from issuer.lean import bare
from issuer.vault.errors import LoginRefused
from issuer.vault.hvac_apis import format_url
from issuer.vault.login.methods import Token, logged_in
from issuer.vault.paths import auth_mount
from issuer.vault.transport import VaultClient

DEFAULT_REGION = "us-east-1"
STS_AUDIENCE = "sts.amazonaws.com"
# It becomes part of a host name that tokens are sent to, so nothing else may get in.
_REGION = re.compile(r"[a-z0-9]+(-[a-z0-9]+){0,5}")
_MAX_REGION_CHARS = 40
_HEADER_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,510}[\x21-\x7e])?")


@dataclass(frozen=True, slots=True)
class AWSCredentials:
    """Credentials that sign AWS requests; `session_token` is empty for those that don't end."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)


def region_of(wanted: str | None, environment: Mapping[str, str], *, ambient: bool) -> str:
    """Return the region to sign for, by cert-manager's rule.

    The spec's, then AWS_REGION or AWS_DEFAULT_REGION, then us-east-1; with ambient credentials the
    environment goes first. Raises ValueError for text that can't be a region.
    """
    found = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    order = (found, wanted) if ambient else (wanted, found)
    region = next((one for one in order if one), DEFAULT_REGION)
    if len(region) > _MAX_REGION_CHARS or not _REGION.fullmatch(region):
        raise ValueError("it must look like eu-central-1")
    return region


def sts_host(region: str) -> str:
    """Return the host of a region's token service."""
    return f"sts.{region}.amazonaws.com" + (".cn" if region.startswith("cn-") else "")


@dataclass(frozen=True, slots=True)
class AWSIdentity:
    """AWS auth, IAM type: `role` is Vault's.

    `credentials` is called at each login; its exceptions pass through unchanged. `header_value` is the
    method's `iam_server_id_header_value`. `mount` may have cert-manager's full form.
    """

    role: str
    region: str
    credentials: Callable[[], Awaitable[AWSCredentials]] = field(repr=False)
    header_value: str | None = None
    mount: str = "/v1/auth/aws"

    @property
    def name(self) -> str:
        """The method and mount, for messages."""
        return f"AWS login at auth/{auth_mount(self.mount)}"

    async def login(self, client: VaultClient) -> Token:
        """Sign with fresh credentials and log in (auth/<mount>/login)."""
        body = {"role": self.role, **self._signed(await self.credentials())}
        url = format_url("/v1/auth/{mount_point}/login", mount_point=auth_mount(self.mount))
        return await logged_in(
            self.name,
            f'Check that Vault\'s auth role "{self.role}" exists there with auth_type iam and binds the ARN '
            "of this AWS identity (bound_iam_principal_arn), that vaultHeaderValue equals the method's "
            "iam_server_id_header_value, and that Vault's sts_endpoint and sts_region fit the region "
            f"{self.region}",
            lambda: client.adapter().login(url, json=body),
        )

    def _signed(self, credentials: AWSCredentials) -> dict[str, str]:
        value = self.header_value
        if value is not None and not _HEADER_VALUE.fullmatch(value):
            raise LoginRefused("vaultHeaderValue holds what no HTTP header can", method=self.name)
        with bare("hvac"):  # here, since it brings `requests`, which no other login needs
            from hvac import aws_utils
        request = aws_utils.generate_sigv4_auth_request(header_value=value)
        # hvac names the global service. A region's signature holds only at the region's own host.
        host = sts_host(self.region)
        request.url, request.headers["Host"] = f"https://{host}/", host
        signer = aws_utils.SigV4Auth(
            credentials.access_key, credentials.secret_key, credentials.session_token or None, self.region
        )
        with (
            warnings.catch_warnings()
        ):  # hvac 2.4 asks the time by datetime.utcnow, which Python 3.12 warns of
            warnings.simplefilter("ignore", DeprecationWarning)
            signer.add_auth(request)
        headers = json.dumps({name: [value] for name, value in request.headers.items()})
        return {
            "iam_http_request_method": str(request.method),
            "iam_request_url": _base64(str(request.url)),
            "iam_request_headers": _base64(headers),
            "iam_request_body": _base64(str(request.body)),
        }


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
