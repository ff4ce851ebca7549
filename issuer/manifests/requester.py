"""Author of a request, as cert-manager's webhook writes it into `spec.username` and beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from issuer.kube.identity import User

_AUTHENTICATED: Final = "system:authenticated"


NOBODY: Final = User("")


def named(username: str, groups: Sequence[str]) -> User:
    """Return the requester that `--as` and `--as-group` mean, with the groups that the API server adds.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation and
    "Service account tokens" there: a ServiceAccount without named groups gets those of ServiceAccounts.
    """
    found = list(dict.fromkeys(groups))
    account = User(username).service_account
    if account and not found:
        found = ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}"]
    if username and _AUTHENTICATED not in found:
        found.append(_AUTHENTICATED)
    return User(username, groups=tuple(found))


CERT_MANAGER: Final = named("system:serviceaccount:cert-manager:cert-manager", ())
"""User of Certificates, if cert-manager is installed as its documentation says."""
