"""AWS's token service (STS): a ServiceAccount's token becomes short-lived AWS credentials.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html and
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html (AWS_ENDPOINT_URL_STS).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from xml.parsers import expat

from issuer.transport.failures import Answer, cleaned
from issuer.transport.sender import Sender
from issuer.vault.connection import Connection
from issuer.vault.errors import (
    InvalidConnection,
    LoginRefused,
    STSUnavailable,
    UnexpectedAnswer,
    Unreachable,
    UntrustedTLS,
    VaultError,
)
from issuer.vault.login.aws import AWSCredentials, sts_host

SESSION_NAME = "vault-issuer"
# They are used once, at once; AWS gives none for less than 15 minutes.
_CREDENTIALS_SECONDS = 900
_METHOD = "AWS AssumeRoleWithWebIdentity"
_MAX_ELEMENTS = 200
_MAX_ARN_CHARS = 2048
# Codes that pass by themselves; IDPCommunicationError: AWS could not fetch the cluster's keys just then.
_TRANSIENT = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "IDPCommunicationError"})


@dataclass(frozen=True, slots=True)
class TokenService:
    """One region's STS: its address, and the CAs that it must be trusted by; `ca_pem` None is the system's
    store."""

    url: str
    ca_pem: bytes | None = field(default=None, repr=False)
    timeout: float = 30.0

    @classmethod
    def of(cls, region: str, environment: Mapping[str, str], timeout: float) -> TokenService:
        """Return the region's own STS, or that of AWS_ENDPOINT_URL_STS, AWS_ENDPOINT_URL and AWS_CA_BUNDLE.

        Raises LoginRefused for an address without TLS or a bundle that can't be read.
        """
        url = environment.get("AWS_ENDPOINT_URL_STS") or environment.get("AWS_ENDPOINT_URL")
        if url and not url.startswith("https://"):
            raise LoginRefused(
                "AWS_ENDPOINT_URL_STS of the controller must be an https:// URL", method=_METHOD
            )
        bundle = environment.get("AWS_CA_BUNDLE")
        try:
            ca_pem = Path(bundle).read_bytes() if bundle else None
        except OSError as error:
            raise LoginRefused(
                "The file that AWS_CA_BUNDLE of the controller names can't be read", method=_METHOD
            ) from error
        return cls(url or f"https://{sts_host(region)}", ca_pem, timeout)

    async def assume_role(self, role_arn: str, web_identity: str) -> AWSCredentials:
        """Return credentials of `role_arn` for a ServiceAccount's token.

        Raises STSUnavailable if a later try may succeed, LoginRefused with AWS's words if it won't.
        """
        if len(role_arn) > _MAX_ARN_CHARS or not role_arn.isprintable():
            raise LoginRefused("iamRoleArn is not the ARN of an AWS role", method=_METHOD)
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": role_arn,
            "RoleSessionName": SESSION_NAME,
            "DurationSeconds": str(_CREDENTIALS_SECONDS),
            "WebIdentityToken": web_identity,
        }
        answer = await self._post(urlencode(form).encode())
        found = _elements(answer.body)
        if answer.status != 200:
            raise _refusal(answer.status, found, role_arn)
        return _credentials(found)

    async def _post(self, body: bytes) -> Answer:
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8", "Accept": "text/xml"}
        try:
            sender = Sender(Connection(self.url, ca_pem=self.ca_pem, timeout=self.timeout), peer="AWS STS")
        except InvalidConnection as error:
            raise LoginRefused(
                "AWS_ENDPOINT_URL_STS or AWS_CA_BUNDLE of the controller can't be used", method=_METHOD
            ) from error
        try:
            return await sender.send("POST", "/", headers, body)
        except Unreachable as error:
            raise STSUnavailable(f"{error} at {self.url}") from error
        except (UntrustedTLS, UnexpectedAnswer) as error:
            raise LoginRefused(
                f"{error} at {self.url}. Trust its CA in the controller's system store or by AWS_CA_BUNDLE",
                method=_METHOD,
            ) from error
        finally:
            await sender.close()


def _credentials(found: Mapping[str, str]) -> AWSCredentials:
    try:
        return AWSCredentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
    except KeyError as error:
        raise LoginRefused(
            "AWS STS answered without credentials: is this its address?", method=_METHOD
        ) from error


def _refusal(status: int, found: Mapping[str, str], role_arn: str) -> VaultError:
    code, words = cleaned(found.get("Code", "")), cleaned(found.get("Message", ""))
    said = f"AWS STS answered {status} {code}".rstrip()
    if status >= 500 or status == 429 or code in _TRANSIENT:
        return STSUnavailable(said, status=status, messages=(words,) if words else ())
    return LoginRefused(
        f"{said} to AssumeRoleWithWebIdentity for {cleaned(role_arn)}. Check that the role exists, that AWS "
        "has the cluster's OIDC provider, and that the role's trust policy names this ServiceAccount (sub) "
        "and sts.amazonaws.com (aud)",
        method=_METHOD,
        status=status,
        messages=(words,) if words else (),
    )


def _elements(body: bytes) -> dict[str, str]:
    """Return the text of each element by its name, the first of each.

    A document type is refused, and with it every entity, so nothing can be expanded or fetched. The size is
    bounded by the transport, the number of elements here. Text that isn't XML has no elements.
    """
    texts: list[tuple[str, list[str]]] = []
    open_elements: list[list[str]] = []

    def start(name: str, _attributes: dict[str, str]) -> None:
        if len(texts) >= _MAX_ELEMENTS:
            raise _NotTaken
        text: list[str] = []
        texts.append((name.rpartition(":")[2], text))
        open_elements.append(text)

    def characters(data: str) -> None:
        open_elements[-1].append(data)

    def doctype(*_: Any) -> None:
        raise _NotTaken

    parser = expat.ParserCreate("utf-8")
    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: open_elements.pop()
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, _NotTaken):
        return {}
    found: dict[str, str] = {}
    for name, text in texts:
        found.setdefault(name, "".join(text).strip())
    return found


class _NotTaken(Exception):
    """XML of a kind that STS doesn't send."""
