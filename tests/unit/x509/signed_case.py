"""One signing by a CA, verified against what was asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509

from issuer.x509.chains.chain import build_chain
from issuer.x509.request import read_request
from issuer.x509.verification.findings import VerificationFinding
from issuer.x509.verification.requested import RequestedCertificate
from issuer.x509.verification.verify import verify

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Authority, Make, Template


@dataclass
class Case:
    """One signing: a CSR for web.example, and whatever the CA made of it."""

    make: Make
    inter: Authority
    root: Authority

    def check(
        self,
        template: Template | None = None,
        *,
        csr: x509.CertificateSigningRequest | None = None,
        same_key: bool = True,
        is_ca: bool = False,
        usages: frozenset[str] = frozenset(),
        duration: timedelta | None = timedelta(days=1),
        strict: bool = False,
        late: timedelta = timedelta(),
        path_length: int = 0,
        shorten: bool = False,
        allowed: frozenset[str] | None = None,
    ) -> dict[str, VerificationFinding]:
        csr = csr or self.make.request()
        key = csr.public_key() if same_key else self.make.key().public_key()
        leaf = self.inter.sign(template or self.make.Template(), key)
        chain = build_chain(leaf, [self.inter.certificate, self.root.certificate], self.make.NOW + late)
        asked = RequestedCertificate(read_request(self.make.pem(csr)), is_ca, usages, duration, path_length)
        now = self.make.NOW + late
        found = verify(chain, asked, now, allowed=allowed, strict=strict, shorten=shorten)
        return {finding.code: finding for finding in found}
