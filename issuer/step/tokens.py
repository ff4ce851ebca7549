"""One-time tokens by which a JWK provisioner's key grants one certificate, or one revocation. Pure.

Source: step-ca 0.30.2, `authority/provisioner/jwk.go` and `ca/provisioner.go`: `iss` is the provisioner's
name, `aud` the URL of the call by a name of the CA, `sans` are the CSR's own; a `jti` is taken once, and an
`iat` before the CA's start is refused.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from issuer.step.keys import ProvisionerKey

LIFE: Final = timedelta(minutes=5)
SIGN_PATH: Final = "/1.0/sign"
REVOKE_PATH: Final = "/1.0/revoke"


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """The provisioner in whose name tokens are made; `base` is the CA's URL, such as `https://ca:9000`."""

    name: str
    kid: str
    base: str

    def audience(self, path: str) -> str:
        """Return the audience of a token for a call of that path."""
        return f"{self.base}{path}"

    def token(self, key: ProvisionerKey, path: str, subject: str, sans: Sequence[str], now: datetime) -> str:
        """Return a new token for one call of `path`, dated `now` (by the CA's clock)."""
        seconds = int(now.timestamp())
        claims: dict[str, Any] = {
            "iss": self.name,
            "aud": self.audience(path),
            "sub": subject,
            "jti": secrets.token_hex(32),
            "iat": seconds,
            "nbf": seconds,
            "exp": seconds + int(LIFE.total_seconds()),
        }
        if sans:
            claims["sans"] = list(sans)
        header = {"alg": key.algorithm, "kid": self.kid, "typ": "JWT"}
        signed = f"{_encoded(orjson.dumps(header))}.{_encoded(orjson.dumps(claims))}"
        return f"{signed}.{_encoded(key.sign(signed.encode()))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
