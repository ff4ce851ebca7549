"""Paths of collections, objects and subresources."""

from __future__ import annotations

import pytest

from issuer.kube.errors import Invalid
from issuer.kube.resources import SECRETS, SERVICE_ACCOUNTS
from issuer.requests.resources import CERTIFICATE_REQUESTS, VAULT_CLUSTER_ISSUERS


def test_paths_follow_the_api_conventions() -> None:
    requests = "/apis/cert-manager.io/v1"
    assert CERTIFICATE_REQUESTS.path() == f"{requests}/certificaterequests"
    assert CERTIFICATE_REQUESTS.path("ns") == f"{requests}/namespaces/ns/certificaterequests"
    assert CERTIFICATE_REQUESTS.path("ns", "a", "status").endswith(
        "/namespaces/ns/certificaterequests/a/status"
    )
    assert SECRETS.path("ns", "s") == "/api/v1/namespaces/ns/secrets/s"
    assert SERVICE_ACCOUNTS.path("ns", "s", "token") == "/api/v1/namespaces/ns/serviceaccounts/s/token"
    assert VAULT_CLUSTER_ISSUERS.path(name="i").endswith("/v1alpha1/vaultclusterissuers/i")


def test_names_are_escaped() -> None:
    assert SECRETS.path("ns", "a?b#c").endswith("/secrets/a%3Fb%23c")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a%2fb", "a\nb", "x" * 254])
def test_a_name_that_would_change_the_path_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        SECRETS.path("ns", name)
    with pytest.raises(Invalid):
        SECRETS.path(name, "fine")


def test_a_namespaced_object_needs_a_namespace_and_a_cluster_scoped_one_has_none() -> None:
    with pytest.raises(Invalid, match="needs a namespace"):
        SECRETS.path(name="s")
    with pytest.raises(Invalid, match="cluster-scoped"):
        VAULT_CLUSTER_ISSUERS.path("ns", "i")
