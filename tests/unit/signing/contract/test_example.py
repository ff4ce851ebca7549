"""The example backend keeps the contract; and a Secret that holds no CA breaks its issuer."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from issuer.signing.contract import BackendContract, ContractCase, FakeKubernetes, Fault
from issuer.signing.contract.case import csr_pem
from issuer.signing.contract.opened import OpenedCase
from issuer.signing.outcomes import IssuerBroken
from issuer.x509.describe import serial_hex
from tests.ca import TestCA, pem
from tests.example_backend import example_backend
from tests.example_backend.example_backend import ExampleBackend

FOLDER = Path(example_backend.__file__).parent
MOST_LINES = 120


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def example_case(kube: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> ContractCase:
    """Return the example with a CA in a Secret, and count what it signs."""
    ca = TestCA.make(datetime.now(UTC))
    data = {"tls.crt": pem(ca.intermediate).encode(), "tls.key": key_pem(ca.key)}
    kube.put_secret("ca", data, "kubernetes.io/tls")
    signed: list[str] = []

    def counted(certificate: x509.Certificate) -> str:
        """Return the serial number, which the example asks for once for each certificate."""
        signed.append(serial_hex(certificate))
        return signed[-1]

    monkeypatch.setattr(f"{example_backend.__name__}.serial_hex", counted)
    return ContractCase(
        backend=ExampleBackend(),
        spec={"caSecretName": "ca"},
        bad_specs={"no Secret": {}, "a number": {"caSecretName": 5}, "no name": {"caSecretName": ""}},
        signed=lambda: len(signed),
        faults={Fault.REFUSES_REQUEST: lambda: None},
        refused_csr=csr_pem(),
    )


class TestExample(BackendContract):
    """The contract, kept by the example."""

    @pytest.fixture
    async def case(self, kube: FakeKubernetes, monkeypatch: pytest.MonkeyPatch) -> ContractCase:
        return example_case(kube, monkeypatch)

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("tls.crt", b"nothing"),
            ("tls.key", b"nothing"),
            ("tls.key", key_pem(ec.generate_private_key(ec.SECP256R1()))),
        ],
        ids=["no certificate", "no key", "another key"],
    )
    async def test_a_secret_without_a_ca_breaks_the_issuer(
        self, opened_case: OpenedCase, key: str, value: bytes
    ) -> None:
        ca = TestCA.make(datetime.now(UTC))
        data = {"tls.crt": pem(ca.intermediate).encode(), "tls.key": key_pem(ca.key), key: value}
        opened_case.kube.put_secret("ca", data, "kubernetes.io/tls")
        with opened_case.raises(IssuerBroken) as raised:
            await opened_case.prepare(opened_case.kinds[0])
        assert raised[0].reason == "CAUnusable"


def test_the_example_stays_small() -> None:
    lines = (FOLDER / "example_backend.py").read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= MOST_LINES


def test_its_crds_have_the_fields_that_the_backend_names() -> None:
    crds: list[Any] = list(yaml.safe_load_all((FOLDER / "crds.yaml").read_text(encoding="utf-8")))
    backend = ExampleBackend()
    assert {
        (crd["spec"]["names"]["kind"], crd["metadata"]["name"], crd["spec"]["scope"] == "Namespaced")
        for crd in crds
    } == {(kind.kind, kind.signer_domain, kind.namespaced) for kind in backend.kinds}
    for crd in crds:
        [version] = crd["spec"]["versions"]
        status = version["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"]
        assert set(status) == {"conditions", *backend.status_fields}
