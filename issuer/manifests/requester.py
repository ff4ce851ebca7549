"""Author of a request, as cert-manager's webhook writes it into `spec.username` and beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

_SERVICE_ACCOUNT: Final = re.compile(r"^system:serviceaccount:([^:]+):([^:]+)$")
_AUTHENTICATED: Final = "system:authenticated"


@dataclass(frozen=True, slots=True)
class Requester:
    """User as the API server knows them. An empty name means that nobody is known."""

    username: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def service_account(self) -> tuple[str, str] | None:
        """Namespace and name of a ServiceAccount; None for other users."""
        match = _SERVICE_ACCOUNT.match(self.username)
        return (match[1], match[2]) if match else None


NOBODY: Final = Requester("")


def named(username: str, groups: Sequence[str]) -> Requester:
    """Return the requester that `--as` and `--as-group` mean, with the groups that the API server adds.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation and
    "Service account tokens" there: a ServiceAccount without named groups gets those of ServiceAccounts.
    """
    found = list(dict.fromkeys(groups))
    account = Requester(username).service_account
    if account and not found:
        found = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
    if username and _AUTHENTICATED not in found:
        found.append(_AUTHENTICATED)
    return Requester(username, tuple(found))


CERT_MANAGER: Final = named("system:serviceaccount:cert-manager:cert-manager", ())
"""Requester of Certificates, if cert-manager is installed as its documentation says."""
