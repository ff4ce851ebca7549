"""Another controller that answers: told by what it wrote, and not by what the requester claims."""

from __future__ import annotations

from typing import Any, cast

import pytest

from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.watched.requests import RequestStore
from issuer.kube.client import KubeClient
from issuer.requests.certificate_request import CertificateRequest
from issuer.signing.backends import built_in
from issuer.signing.outcomes import IssuerBroken
from tests.builders import certificate_request, issuer_object
from tests.unit.controller.bench import CLUSTER_ISSUER, KEY
from tests.unit.controller.fakes import ScriptedKube


@pytest.mark.parametrize("ours", [True, False])
async def test_what_a_requester_writes_into_managed_fields_of_our_answer_is_not_believed(ours: bool) -> None:
    kube, anything, registry = ScriptedKube(), cast(Any, None), IssuerRegistry(lambda _key: None)
    store = RequestStore(CertificateRequest, lambda _key: None)
    store.upsert(certificate_request())
    request = store.get(KEY)
    assert request is not None
    if ours:
        store.mark_written(request)
    checker = IssuerChecker(
        cast(KubeClient, kube),
        {},
        registry,
        built_in(),
        anything,
        anything,
        anything,
        anything,
        lambda _key, uid: store.is_ours(uid),
    )
    entry = registry.entry(CLUSTER_ISSUER)
    entry.peer.suspect(KEY)
    answer = certificate_request()
    answer["status"] = {"certificate": "eA=="}
    claim = {"manager": "another", "subresource": "status", "fieldsV1": {"f:status": {"f:certificate": {}}}}
    answer["metadata"]["managedFields"] = [claim]
    kube.expect("get", answer)
    if ours:
        await checker._check_peer(CLUSTER_ISSUER, issuer_object(), entry)
    else:
        with pytest.raises(IssuerBroken, match="another"):
            await checker._check_peer(CLUSTER_ISSUER, issuer_object(), entry)
