"""Options of a migration, as the command line gives them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from issuer.manifests.errors import BadInput


class Starter(StrEnum):
    """Choice of the issuers for which an open starter policy is written."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Account:
    """ServiceAccount by namespace and name."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str, option: str) -> Account:
        """Parse `NAMESPACE/NAME`. Raises BadInput that names the option."""
        namespace, slash, name = text.partition("/")
        if not slash or not namespace or not name or "/" in name:
            raise BadInput(f"{option} {text!r} is not NAMESPACE/NAME")
        return cls(namespace, name)

    @property
    def username(self) -> str:
        """User name that the API server knows it by."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def subject(self) -> dict[str, str]:
        """Return it as a subject of a binding."""
        return {"kind": "ServiceAccount", "namespace": self.namespace, "name": self.name}


@dataclass(frozen=True, slots=True)
class Options:
    """Names on both sides of a migration.

    `resource_namespace` is where our cluster issuers' Secrets and ServiceAccounts are,
    `old_resource_namespace` where cert-manager's are. `namespace` is for objects of files that name none;
    with `from_cluster` it is the only one that was looked at.
    """

    controller: Account = Account("vault-issuer-system", "vault-issuer")
    cert_manager: Account = Account("cert-manager", "cert-manager")
    resource_namespace: str = "vault-issuer-system"
    old_resource_namespace: str = "cert-manager"
    namespace: str | None = None
    starter: Starter = Starter.AUTO
    from_cluster: bool = False
