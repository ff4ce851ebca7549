"""AWS's signature version 4 as its verifier computes it, written from AWS's description alone.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping


def signature(headers: Mapping[str, str], body: str, secret_key: str, region: str) -> str:
    """The signature that a POST to the root of STS must have; ``headers`` by lower-case name."""
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    canonical = "".join(f"{name}:{headers[name].strip()}\n" for name in names.split(";"))
    request = f"POST\n/\n\n{canonical}\n{names}\n{hashlib.sha256(body.encode()).hexdigest()}"
    time, scope = headers["x-amz-date"], f"{headers['x-amz-date'][:8]}/{region}/sts/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{secret_key}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key.hex()
