"""Kinds of issuers of other backends, in explained requests and in the linter."""

from __future__ import annotations

import pytest

from issuer.explain.lint.linting import lint
from issuer.explain.review_input import RequestOptions, parse_issuer, read_requests
from issuer.kube.resources import Resource
from issuer.policy.facts import IssuerReference
from issuer.requests.issuers import BUILT_IN, IssuerKind, IssuerKinds
from tests.builders import csr_pem
from tests.unit.explain.conftest import Folder

OTHER = IssuerKind("OtherIssuer", Resource("example.test", "v1", "otherissuers", namespaced=True))
KINDS = IssuerKinds([*BUILT_IN, OTHER])
POLICY = {
    "apiVersion": "vault-issuer.io/v1alpha1",
    "kind": "CertificateRequestPolicy",
    "metadata": {"name": "other"},
    "spec": {
        "selector": {"issuerRef": {"group": "example.test", "kind": "OtherIssuer"}},
        "allowed": {"usages": ["server auth"]},
    },
}


@pytest.mark.parametrize(("kinds", "selects"), [(KINDS, True), (BUILT_IN, False)])
def test_a_selector_matches_the_kinds_that_are_known(
    folder: Folder, kinds: IssuerKinds, selects: bool
) -> None:
    found = lint([folder.write("policy.yaml", POLICY)], kinds).findings
    assert any(one.field == "spec.selector.issuerRef.group" for one in found) is not selects


def test_an_issuer_is_of_its_kinds_group_where_none_is_written(folder: Folder) -> None:
    assert parse_issuer("OtherIssuer/one", KINDS).group == "example.test"
    assert parse_issuer("OtherIssuer/one", BUILT_IN).group == "vault-issuer.io"
    for word in ("VaultIssuer", "vaultissuer", "vi", "VAULTISSUER.vault-issuer.io"):
        assert parse_issuer(f"{word}/one", BUILT_IN) == IssuerReference(
            "one", "VaultIssuer", "vault-issuer.io"
        )
    strange = IssuerReference("one", "VaultIssuer", "other.test")
    assert parse_issuer("VaultIssuer.other.test/one", BUILT_IN) == strange
    file = folder.write("web.csr", csr_pem("a.test"))
    (request,) = read_requests(file, RequestOptions(issuer="OtherIssuer/one", kinds=KINDS))
    assert request.served_groups == ("vault-issuer.io", "example.test")
