"""The testbed's step-ca signs by its protocol, and its credentials are rotated as an administrator does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap

from testbed.stepca import PROVISIONER, StepCA
from tests.integration.support.step_tokens import decrypted_key, token
from tests.integration.test_testbed import csr

NAME = "app.example.org"


@pytest.fixture(scope="module")
def step_ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepCA]:
    """One of our own: these tests rotate what it has, which others count on."""
    made = StepCA(tmp_path_factory.mktemp("step-ca"), crl=True)
    made.start()
    yield made
    made.close()


def sign(ca: StepCA, ott: str, name: str = NAME) -> tuple[int, Any]:
    """What `POST /1.0/sign` answers to a CSR with one name."""
    return ca.post("/1.0/sign", {"csr": csr(name), "ott": ott})


def fresh_token(ca: StepCA, name: str = NAME, **claims: Any) -> str:
    """A token by the key that the CA hands to everybody, decrypted by the password."""
    encrypted = ca.get(f"/provisioners/{ca.kid}/encrypted-key")["key"]
    audience = f"{ca.url}/1.0/sign"
    return token(decrypted_key(encrypted, ca.password), PROVISIONER, audience, name, **claims)


def test_a_csr_is_signed_by_a_token_once(step_ca: StepCA) -> None:
    ott = fresh_token(step_ca)
    status, signed = sign(step_ca, ott)
    assert status == 201
    leaf = x509.load_pem_x509_certificate(signed["crt"].encode())
    leaf.verify_directly_issued_by(step_ca.intermediate)
    assert len(signed["certChain"]) == 2
    assert sign(step_ca, ott)[0] == 401
    assert "token already used" in step_ca.process.output()  # clients are told less


def test_a_token_for_another_audience_is_refused(step_ca: StepCA) -> None:
    status, _ = sign(step_ca, fresh_token(step_ca, aud="https://another.example.org/1.0/sign"))
    assert status == 401


def test_claims_bound_the_life_of_a_certificate(step_ca: StepCA) -> None:
    step_ca.set_claims(maxTLSCertDuration="1h", defaultTLSCertDuration="30m")
    (provisioner,) = step_ca.get("/provisioners")["provisioners"]
    assert provisioner["claims"]["maxTLSCertDuration"] == "1h0m0s"
    body = {"csr": csr(NAME), "ott": fresh_token(step_ca), "notAfter": "2h"}
    status, _ = step_ca.post("/1.0/sign", body)
    assert status == 403
    step_ca.set_claims()


def test_a_rotated_password_opens_the_same_key(step_ca: StepCA) -> None:
    kid, old = step_ca.kid, step_ca.password
    step_ca.rotate_password("another password")
    assert step_ca.kid == kid
    with pytest.raises((InvalidUnwrap, InvalidTag)):
        decrypted_key(step_ca.encrypted_key, old)
    assert sign(step_ca, fresh_token(step_ca))[0] == 201
    step_ca.rotate_key()
    assert step_ca.kid != kid
    assert sign(step_ca, fresh_token(step_ca))[0] == 201


def test_a_rotated_intermediate_signs_from_then_on(step_ca: StepCA) -> None:
    before = step_ca.intermediate
    step_ca.rotate_intermediate()
    assert step_ca.intermediate != before
    status, signed = sign(step_ca, fresh_token(step_ca))
    assert status == 201
    x509.load_pem_x509_certificate(signed["crt"].encode()).verify_directly_issued_by(step_ca.intermediate)


def test_a_revoked_certificate_is_on_the_crl(step_ca: StepCA) -> None:
    _, signed = sign(step_ca, fresh_token(step_ca))
    serial = x509.load_pem_x509_certificate(signed["crt"].encode()).serial_number
    ott = fresh_token(step_ca, str(serial), aud=f"{step_ca.url}/1.0/revoke", sans=[])
    body = {"serial": str(serial), "reasonCode": 0, "passive": True, "ott": ott}
    assert step_ca.post("/1.0/revoke", body)[0] == 200
    crl = x509.load_der_x509_crl(step_ca.fetch("/1.0/crl"))
    assert crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_it_keeps_its_address_over_a_stop(step_ca: StepCA, tmp_path: Path) -> None:
    url = step_ca.url
    step_ca.stop()
    assert not step_ca.healthy()
    step_ca.start()
    assert step_ca.url == url
    assert step_ca.healthy()
