"""Issuers that a migration carries over, and those that it leaves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from issuer.api.vault import VaultSpec
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.origins import ORIGINS
from issuer.migrate.plan import PlanStep
from issuer.migrate.read.inventory import Ref, namespace_of
from issuer.signing.vault.needs import Needs


@dataclass(frozen=True, slots=True)
class Carried:
    """Issuer that is carried over.

    Attributes:
        needs: Secrets and ServiceAccount that its login and TLS refer to.
        label: goes into names of what is made for it, so that issuers of two CAs may have one name.
        server: `host:port`.
        limits: words for what bounds its certificates at the CA.
        vault: its `spec.vault`, None for an issuer of another CA.
        verbatim: True if the CA signs whatever is asked.
        home: namespace of a cluster issuer's Secrets before, where its spec says so.
    """

    ref: Ref
    manifest: Object
    needs: Needs
    label: str
    server: str
    limits: str
    vault: VaultSpec | None = None
    verbatim: bool = False
    home: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Issuers:
    """All issuers that were read: carried over, of another type (by type), and refused."""

    carried: Mapping[Ref, Carried]
    others: Mapping[Ref, str]
    refused: Mapping[Ref, str]
    steps: tuple[PlanStep, ...]

    @property
    def any(self) -> bool:
        """Return True if any were read."""
        return bool(self.carried or self.others or self.refused)


def ref_of(document: Document) -> Ref:
    """Return the name of the issuer in a document."""
    namespaced = ORIGINS[document.kind].resource.namespaced
    return Ref(document.kind, namespace_of(document) if namespaced else "", document.name)
