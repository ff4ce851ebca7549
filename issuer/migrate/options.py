"""What the command line decides about a migration."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from issuer.manifests.errors import BadInput


class Starter(StrEnum):
    """For which issuers an open starter policy is written."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Account:
    """A ServiceAccount."""

    namespace: str
    name: str

    @classmethod
    def parse(cls, text: str, option: str) -> Account:
        """From `NAMESPACE/NAME`. Raises BadInput."""
        namespace, slash, name = text.partition("/")
        if not slash or not namespace or not name or "/" in name:
            raise BadInput(f"{option} {text!r} is not NAMESPACE/NAME")
        return cls(namespace, name)

    @property
    def username(self) -> str:
        """Its name as a user."""
        return f"system:serviceaccount:{self.namespace}:{self.name}"

    def subject(self) -> dict[str, str]:
        """Itself in a binding."""
        return {"kind": "ServiceAccount", "namespace": self.namespace, "name": self.name}


@dataclass(frozen=True, slots=True)
class Options:
    """Names of both sides.

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
