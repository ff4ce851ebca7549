"""Kinds of issuers: their API group, version and plural, and the names that stand for one issuer.

Kinds are told apart by their name alone, so no two backends may have one of the same name (`IssuerKinds`
refuses it).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from issuer.api import group
from issuer.kube.resources import Resource
from issuer.requests.resources import (
    STEP_CLUSTER_ISSUERS,
    STEP_ISSUERS,
    VAULT_CLUSTER_ISSUERS,
    VAULT_ISSUERS,
)

MAX_NAME: Final = 253
"""Characters of an object's name (RFC 1123 subdomain)."""


class IssuerKey(NamedTuple):
    """Names one issuer; `namespace` is empty for cluster issuers."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    @property
    def typed_kind(self) -> str:
        """The kind as a command of kubectl names it: with its group where others have kinds of that name."""
        return _SHARED_NAMES.get(self.kind, self.kind.lower())

    @property
    def quoted(self) -> str:
        """Kind and name as sentences for people hold them: `VaultIssuer "team-a/one"`."""
        return (
            f'{self.kind} "{self.namespace}/{self.name}"' if self.namespace else f'{self.kind} "{self.name}"'
        )


@dataclass(frozen=True, slots=True)
class IssuerKind:
    """One kind of issuer objects. Namespaced ones serve requests of their own namespace, others all.

    `kind` tells it from all others of one process: the kind, or `KIND.GROUP` for one of another group whose
    kind has the name of one of ours. `short_name` is that of its CRD, "" for none. `names_common_name` is
    True if its CA makes an alternative name of a common name that comes alone. `takes_other_kinds` is True if
    an `issuerRef` with any other kind of its group, or none, means this one.
    """

    kind: str
    resource: Resource
    short_name: str = ""
    names_common_name: bool = False
    takes_other_kinds: bool = False

    @property
    def group(self) -> str:
        """The API group, as `issuerRef.group` names it."""
        return self.resource.group

    @property
    def api_kind(self) -> str:
        """The kind alone, as objects and `issuerRef.kind` name it."""
        return self.kind.partition(".")[0]

    @property
    def namespaced(self) -> bool:
        """Return True if issuers of this kind live in a namespace."""
        return self.resource.namespaced

    @property
    def signer_domain(self) -> str:
        """The domain of signer names, `PLURAL.GROUP` (cert-manager.io/docs/usage/kube-csr)."""
        return f"{self.resource.plural}.{self.resource.group}"

    @property
    def form(self) -> str:
        """The way in which `IssuerKinds.parse` reads a name of this kind."""
        return f"{self.kind}/NAMESPACE/NAME" if self.namespaced else f"{self.kind}/NAME"

    def key(self, namespace: str, name: str) -> IssuerKey:
        """Return the key of the issuer of that name; `namespace` counts only where the kind has one."""
        return IssuerKey(self.kind, namespace if self.namespaced else "", name)


class IssuerNameError(ValueError):
    """A text that names no issuer by kind and name; the message says how one is written."""


class KindTakenError(ValueError):
    """Two kinds of issuers have the same name."""


class IssuerKinds:
    """The kinds of issuers that one process serves, in the order in which they were given.

    Raises KindTakenError for two of the same name, or of the same plural and group.
    """

    def __init__(self, kinds: Iterable[IssuerKind]) -> None:
        self._kinds: dict[str, IssuerKind] = {}
        self._referred: dict[tuple[str, str], IssuerKind] = {}
        self._domains: dict[str, IssuerKind] = {}
        self._others: dict[str, IssuerKind] = {}
        for kind in kinds:
            taken = self._kinds.get(kind.kind) or self._domains.get(kind.signer_domain)
            if taken is not None:
                raise KindTakenError(
                    f"{taken.kind} ({taken.signer_domain}) and {kind.kind} ({kind.signer_domain}) can't be "
                    "served together: no two kinds may have one name, or one plural and group"
                )
            self._kinds[kind.kind] = self._domains[kind.signer_domain] = kind
            self._referred[kind.group, kind.api_kind] = kind
            if kind.takes_other_kinds:
                self._others[kind.group] = kind
        self.groups: tuple[str, ...] = tuple(dict.fromkeys(kind.group for kind in self))

    def __iter__(self) -> Iterator[IssuerKind]:
        return iter(self._kinds.values())

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def __getitem__(self, name: str) -> IssuerKind:
        return self._kinds[name]

    def of_group(self, api_group: str) -> tuple[IssuerKind, ...]:
        """Return the kinds of one API group."""
        return tuple(kind for kind in self if kind.group == api_group)

    def of_domain(self, domain: str) -> IssuerKind | None:
        """Return the kind whose signer names begin with `domain`, None if there is none."""
        return self._domains.get(domain)

    def referred(self, reference: Mapping[str, Any]) -> IssuerKind | None:
        """Return the kind that an `issuerRef` names by kind and group, None if it is none of these."""
        group, kind = str(reference.get("group") or ""), str(reference.get("kind") or "")
        return self._referred.get((group, kind)) or self._others.get(group)

    def named(self, reference: Mapping[str, Any], namespace: str) -> IssuerKey | None:
        """Return the issuer of these that an `issuerRef` of a namespace names, None if it is none."""
        kind, name = self.referred(reference), reference.get("name")
        if kind is None or not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
            return None
        return kind.key(namespace, name)

    def issuer_of(self, certificate: Mapping[str, Any]) -> IssuerKey | None:
        """Return the issuer of these that a Certificate of cert-manager's names, None if it is none."""
        reference = (certificate.get("spec") or {}).get("issuerRef") or {}
        return self.named(reference, certificate["metadata"]["namespace"])

    def names_common_name(self, reference: Mapping[str, Any]) -> bool:
        """Return True if the CA of the kind that an `issuerRef` names makes a name of a common name alone."""
        kind = self.referred(reference)
        return kind is not None and kind.names_common_name

    def reference(self, key: IssuerKey) -> dict[str, str]:
        """Return the `issuerRef` that names this issuer."""
        kind = self[key.kind]
        return {"group": kind.group, "kind": kind.api_kind, "name": key.name}

    def spelled(self, word: str) -> IssuerKind | None:
        """Return the kind that a person means, in any case or by its short name, as kubectl takes it."""
        lower = word.lower()
        return next((one for one in self if lower and lower in (one.kind.lower(), one.short_name)), None)

    def parse(self, text: str) -> IssuerKey:
        """Read `KIND/NAME` of a cluster issuer, or `KIND/NAMESPACE/NAME`. Raises IssuerNameError."""
        word, *where = text.split("/")
        kind = self.spelled(word)
        if kind is None or len(where) != 1 + kind.namespaced or not all(where):
            forms = (one.form for one in sorted(self, key=lambda one: one.namespaced))
            raise IssuerNameError(f"{text!r} is neither {' nor '.join(forms)}")
        return kind.key(where[0], where[-1])

    def signer_names(self, key: IssuerKey) -> tuple[str, str]:
        """Return the signer names that grant a right: for all issuers of the kind, and for this one."""
        own = f"{key.namespace}.{key.name}" if key.namespace else key.name
        domain = self[key.kind].signer_domain
        return f"{domain}/*", f"{domain}/{own}"


VAULT_KINDS: Final = (
    IssuerKind(group.ISSUER_KIND, VAULT_ISSUERS, group.ISSUER_SHORT),
    IssuerKind(group.CLUSTER_ISSUER_KIND, VAULT_CLUSTER_ISSUERS, group.CLUSTER_ISSUER_SHORT),
)
STEP_KINDS: Final = (
    IssuerKind(group.STEP_ISSUER_KIND, STEP_ISSUERS, group.STEP_ISSUER_SHORT, names_common_name=True),
    IssuerKind(
        group.STEP_CLUSTER_ISSUER_KIND,
        STEP_CLUSTER_ISSUERS,
        group.STEP_CLUSTER_ISSUER_SHORT,
        names_common_name=True,
    ),
)
_SHARED_NAMES: Final = {one.kind: f"{one.kind.lower()}.{one.group}" for one in STEP_KINDS}
# kubectl takes a kind without its group for that of the first group in its list, which is step-issuer's.
BUILT_IN: Final = IssuerKinds((*VAULT_KINDS, *STEP_KINDS))
"""The kinds that this product brings itself."""
