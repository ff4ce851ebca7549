"""CAs that a test's cluster issuers sign through: what differs between OpenBao and step-ca."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Object
from testbed.samples import API_VERSION, vault_cluster_issuer
from testbed.stepca import PROVISIONER, REFUSED_NAME, StepCA
from testbed.vaultpki import PkiLayout, setup_token
from tests.builders import csr_pem
from tests.integration.support.common import (
    ready,
    request_object,
    revocations,
    secret,
    signed_csrs,
    token_auth,
)
from tests.sizes import LONGER, sized

BY_OPENBAO: Final = ["openbao", pytest.param("step-ca", marks=LONGER)]
"""Parameters of `ca` for a test of what knows no backend."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A way for a CA to be away: how it begins and ends."""

    begin: Callable[[], object]
    end: Callable[[], object]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address of a CA's server, and the CA of its TLS certificate as a spec and as a file have it."""

    url: str
    ca_bundle: str
    ca_file: Path


class CAUnderTest(ABC):
    """A real CA and issuers that sign through it. `signed` has an entry for each certificate, by its key."""

    kind: ClassVar[str]
    refusal: ClassVar[str]
    """Reason of a request that the CA itself refuses, such as one for `refused_csr`."""
    no_authority: ClassVar[str]
    """Words of the answer to a request for a CA certificate."""

    def __init__(self, bed: Testbed) -> None:
        self.bed = bed

    @property
    def refused_csr(self) -> bytes:
        """A CSR that the CA refuses, and every policy of these tests allows."""
        return csr_pem(REFUSED_NAME)

    @property
    @abstractmethod
    def endpoint(self) -> Endpoint:
        """Where its server is."""

    @property
    @abstractmethod
    def outages(self) -> Mapping[str, Outage]:
        """Ways in which it can be away, by name."""

    @abstractmethod
    def issuer(self, name: str, server: Endpoint | None = None, **spec: Any) -> None:
        """Apply a cluster issuer and its Secret; not waited for. `server` may stand before the CA."""

    @abstractmethod
    def signed(self) -> list[str]:
        """Return one entry for each certificate that it signed: what tells apart the keys in them."""

    @abstractmethod
    def revocations(self) -> int:
        """Return how many revocations it has carried out."""

    def wait(self, name: str, until: str | Callable[[Object], bool] = "Ready") -> Object:
        """Wait until a cluster issuer is Ready, or something else holds; return it."""
        return self.bed.kube.wait(API_VERSION, self.kind, name, until=until)

    def wait_reason(self, name: str, reason: str) -> None:
        """Wait until a cluster issuer isn't Ready for that reason."""

        def holds(found: Object) -> bool:
            return (ready(found).get("status"), ready(found).get("reason")) == ("False", reason)

        self.wait(name, holds)

    def request(self, name: str, namespace: str, issuer: str, **more: Any) -> Object:
        """Create a CertificateRequest for one of its cluster issuers."""
        return self.bed.kube.create(request_object(name, namespace, issuer, **{"kind": self.kind, **more}))

    def sized(self, count: int) -> int:
        """Return how many requests a test makes: in CI fewer where another CA has tried them all."""
        return count

    def delete(self, name: str) -> None:
        """Delete a cluster issuer."""
        self.bed.kube.delete(API_VERSION, self.kind, name)


class OpenBaoUnderTest(CAUnderTest):
    """The cluster's OpenBao, with a token for each issuer."""

    kind = "VaultClusterIssuer"
    refusal = "RefusedByVault"
    no_authority = "spec.certificateAuthority"

    def __init__(self, bed: Testbed, layout: PkiLayout) -> None:
        super().__init__(bed)
        self._layout = layout

    @property
    def endpoint(self) -> Endpoint:
        """Where OpenBao is."""
        return Endpoint(self.bed.vault.addr, self.bed.vault.ca_bundle, self.bed.vault.ca_file)

    @property
    def outages(self) -> Mapping[str, Outage]:
        """Sealed, stopped and frozen."""
        vault = self.bed.vault
        return {
            "sealed": Outage(vault.seal, vault.unseal),
            "down": Outage(vault.stop, vault.start),
            "frozen": Outage(vault.pause, vault.resume),
        }

    def issuer(self, name: str, server: Endpoint | None = None, **spec: Any) -> None:
        """Apply a VaultClusterIssuer and its token."""
        token = setup_token(self.bed.vault, self._layout.policy)
        self.bed.kube.apply(secret(f"{name}-token", SYSTEM_NAMESPACE, token=token))
        where = {} if server is None else {"server": server.url, "caBundle": server.ca_bundle}
        issuer = vault_cluster_issuer(self.bed, name, token_auth(f"{name}-token"), **where)
        issuer["spec"].update(spec)
        self.bed.kube.apply(issuer)

    def signed(self) -> list[str]:
        """Return the audit log's fingerprints of the CSRs."""
        return signed_csrs(self.bed)

    def revocations(self) -> int:
        """Return what the audit log counts."""
        return revocations(self.bed)


class StepCAUnderTest(CAUnderTest):
    """A step-ca beside the cluster, which the provisioner's password opens for all issuers."""

    kind = "StepClusterIssuer"
    refusal = "RefusedByStepCA"
    no_authority = "use an issuer that signs CAs"

    def __init__(self, bed: Testbed, ca: StepCA) -> None:
        super().__init__(bed)
        self.ca = ca

    @property
    def endpoint(self) -> Endpoint:
        """Where step-ca is."""
        return Endpoint(self.ca.url, self.ca.ca_bundle, self.ca.root_file)

    @property
    def outages(self) -> Mapping[str, Outage]:
        """Stopped and frozen; it can't be sealed."""
        return {
            "down": Outage(self.ca.stop, self.ca.start),
            "frozen": Outage(self.ca.pause, self.ca.resume),
        }

    def issuer(self, name: str, server: Endpoint | None = None, **spec: Any) -> None:
        """Apply a StepClusterIssuer and its password."""
        self.bed.kube.apply(secret(f"{name}-password", SYSTEM_NAMESPACE, password=self.ca.password))
        where, reference = server or self.endpoint, {"name": f"{name}-password", "key": "password"}
        provisioner = {"name": PROVISIONER, "kid": self.ca.kid, "passwordRef": reference}
        issuer = {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"name": name},
            "spec": {"url": where.url, "caBundle": where.ca_bundle, "provisioner": provisioner, **spec},
        }
        self.bed.kube.apply(issuer)

    def signed(self) -> list[str]:
        """Return what its log has."""
        return self.ca.signed()

    def revocations(self) -> int:
        """Return what its log counts."""
        return self.ca.revocations()

    def sized(self, count: int) -> int:
        """Return a fifth of it in CI."""
        return sized(count, count // 5)
