"""Signs with a CA whose certificate and key are in a Secret of type kubernetes.io/tls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from pydantic import Field

from issuer.api.issuers import IssuerSpec
from issuer.api.secrets import SecretKeySelector
from issuer.kube.client import KubeClient
from issuer.kube.resources import Resource
from issuer.reasons import FailureReason, IssuerReason
from issuer.requests.issuers import IssuerKey, IssuerKind
from issuer.signing.backend import Backend, Connector, LoggedIn, PreparedSigner
from issuer.signing.outcomes import CAEndsTooSoon, Failed, IssuerBroken
from issuer.signing.profile import SigningPath, SigningProfile
from issuer.signing.reasons import Reasons, SigningFailure
from issuer.signing.secrets import References
from issuer.signing.settings import BackendSettings
from issuer.signing.signer import Health, SignedCertificate, SigningRequest
from issuer.signing.trusted_cas import read_anchors
from issuer.x509.certificates import Certificate
from issuer.x509.describe import serial_hex
from issuer.x509.usages import KEY_USAGE_BITS, read_usages

GROUP = "example.test"


class ExampleFailure(FailureReason):
    NO_NAMES = "NoNames"


class ExampleIssuerReason(IssuerReason):
    CA_UNUSABLE = "CAUnusable"
    CA_TIMED_OUT = "CATimedOut"


class ExampleIssuerSpec(IssuerSpec):
    ca_secret_name: str = Field(min_length=1, max_length=253)


@dataclass(frozen=True, slots=True)
class ExampleSigner:
    ca: x509.Certificate
    key: EllipticCurvePrivateKey

    async def check(self) -> Health:
        return Health(_pem(self.ca))

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        if request.is_ca:
            raise Failed(SigningFailure.CA_REQUESTS_NOT_ALLOWED, "this issuer signs no CA certificates")
        csr, now = x509.load_pem_x509_csr(request.csr_pem.encode()), datetime.now(UTC)
        try:
            names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound as error:
            raise Failed(ExampleFailure.NO_NAMES, "the request names nothing: give it dnsNames") from error
        ends, ca_ends = now + (request.duration or timedelta(days=90)), self.ca.not_valid_after_utc
        if ends > ca_ends:
            raise CAEndsTooSoon(f"the CA ends at {ca_ends.isoformat()}: ask for less", ca_ends)
        usages = read_usages(request.usages)
        key_usage = x509.KeyUsage(*(bit in usages.key for bit in KEY_USAGE_BITS))
        leaf = x509.CertificateBuilder(self.ca.subject, csr.subject, csr.public_key())
        leaf = leaf.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(ends)
        leaf = leaf.add_extension(names.value, names.critical).add_extension(key_usage, True)
        if usages.extended:
            extended = x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, sorted(usages.extended)))
            leaf = leaf.add_extension(extended, False)
        request.before_sending()
        signed = leaf.sign(self.key, hashes.SHA256())
        return SignedCertificate(_pem(signed), _pem(self.ca), serial_hex(signed))

    async def knows(self, cas: Sequence[Certificate], *, is_ca: bool) -> bool:
        return all(ca == self.ca for ca in cas)

    async def close(self) -> None:
        """Hold nothing that is to be closed."""


@dataclass(frozen=True, slots=True)
class ExampleConnector:
    client: KubeClient
    settings: BackendSettings

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        name, where = cast("ExampleIssuerSpec", spec).ca_secret_name, "spec.caSecretName"
        secrets = References(self.client, self.settings.home(key.namespace))
        certificate, private = [
            await secrets.value(SecretKeySelector(name=name, key=entry), None, where)
            for entry in ("tls.crt", "tls.key")
        ]
        try:
            ca, ca_key = _read(certificate, private)
        except ValueError:  # whose text may hold what it could not read
            problem = f"{where}: Secret {name} holds no EC key with its certificate: make it again"
            raise IssuerBroken(ExampleIssuerReason.CA_UNUSABLE, problem) from None
        anchors = await read_anchors(secrets, spec)
        return PreparedSigner(tuple(secrets.versions.items()), lambda: ExampleSigner(ca, ca_key), anchors)


class ExampleBackend(Backend):
    name = "example"
    kinds = (
        IssuerKind("ExampleIssuer", Resource(GROUP, "v1", "exampleissuers", namespaced=True)),
        IssuerKind("ExampleClusterIssuer", Resource(GROUP, "v1", "exampleclusterissuers", namespaced=False)),
    )
    status_fields = frozenset({"caNotAfter", "warnings"})
    reasons = Reasons.of(ExampleFailure, ExampleIssuerReason)
    unreachable = ExampleIssuerReason.CA_TIMED_OUT

    def parse(self, spec: Mapping[str, Any]) -> ExampleIssuerSpec:
        return ExampleIssuerSpec.parse(spec)

    def profile(self, spec: IssuerSpec) -> SigningProfile:
        return SigningProfile(SigningPath("the example CA", strict=True, policy_only=True))

    def secrets(self, spec: IssuerSpec) -> tuple[str, ...]:
        return (cast("ExampleIssuerSpec", spec).ca_secret_name,)

    def connector(self, client: KubeClient, settings: BackendSettings, logged_in: LoggedIn) -> Connector:
        return ExampleConnector(client, settings)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _read(certificate: bytes, private: bytes) -> tuple[x509.Certificate, EllipticCurvePrivateKey]:
    ca, key = x509.load_pem_x509_certificate(certificate), serialization.load_pem_private_key(private, None)
    if not isinstance(key, EllipticCurvePrivateKey) or key.public_key() != ca.public_key():
        raise ValueError("not an EC key of this certificate")
    return ca, key
