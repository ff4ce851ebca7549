"""The profile of an issuer that signs through step-ca, and a request that it has no way to sign."""

from __future__ import annotations

import pytest

from issuer.signing.profile import Mismatch, path_length
from issuer.signing.reasons import SigningFailure
from issuer.signing.step.backend import StepBackend
from issuer.x509.request import read_request
from issuer.x509.verification.requested import RequestedCertificate
from tests.builders import csr_pem

SPEC = {
    "url": "https://ca.example.test",
    "provisioner": {"name": "admin", "kid": "k", "passwordRef": {"name": "s", "key": "p"}},
}


def test_a_ca_request_is_told_of_no_field_that_the_kind_lacks() -> None:
    backend = StepBackend()
    asked = RequestedCertificate(read_request(csr_pem("a.example.test")), True, frozenset(), None)
    with pytest.raises(Mismatch, match="use an issuer that signs CAs") as raised:
        path_length(backend.profile(backend.parse(SPEC)), asked)
    assert raised.value.reason is SigningFailure.NO_CERTIFICATE_AUTHORITY
    assert "certificateAuthority" not in str(raised.value)
