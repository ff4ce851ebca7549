"""Approval when things go wrong at the worst moment: nothing is decided early, nothing is signed twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any

from issuer.api.group import POLICY_PLURAL
from issuer.kube.client import KubeClient
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from testbed.cluster import Testbed
from testbed.processes import PATIENCE
from testbed.vaultpki import PkiLayout, setup_token
from tests.integration.support.authorized import Access, wait_authorized
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    cluster_issuer_with_token,
    delete_issuer,
    request,
    signed_csrs,
    wait_issued,
    wait_ready,
)
from tests.integration.support.inprocess import controller_with_fault, in_process, until

APPROVE = Access("approve", "cert-manager.io", "signers", "vaultclusterissuers.vault-issuer.io/*")
BINDING = ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "vault-issuer-approve")


async def test_a_slow_list_of_policies_decides_nothing_early(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    gate, asked = asyncio.Event(), asyncio.Event()

    def prepare(client: KubeClient) -> None:
        watch = client.watch

        async def slowly(
            resource: Resource, *, resource_version: str | None, **more: Any
        ) -> AsyncGenerator[tuple[str, Object], None]:
            if resource.plural == POLICY_PLURAL and resource_version is None:  # a streaming list
                asked.set()
                await gate.wait()
            async for event in watch(resource, resource_version=resource_version, **more):
                yield event

        client.watch = slowly  # type: ignore[method-assign]

    before = len(signed_csrs(bed))
    cluster_issuer_with_token(bed, "early", setup_token(bed.vault, layout.policy))
    request(bed, "early", namespace, "early")
    async with in_process(bed, prepare) as running:
        await asyncio.wait_for(asked.wait(), PATIENCE)
        late = ["CertificateRequestPolicy", "CertificateRequest"]
        await until(lambda: running.manager.components.watches.late() == late, "all else is listed")
        await asyncio.sleep(2)
        found = bed.kube.get(CERT_MANAGER, REQUEST, "early", namespace)
        assert "status" not in found or not found["status"].get("conditions")
        assert len(signed_csrs(bed)) == before
        assert running.manager.components.watches.late() == late
        gate.set()
        await asyncio.to_thread(wait_issued, bed, "early", namespace)
    delete_issuer(bed, "early")


async def test_a_refused_status_write_keeps_the_certificate_and_signs_nothing_more(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    kept: dict[str, Object] = {}

    def take_the_right_away(_body: Object) -> None:
        binding = bed.kube.get(*BINDING)
        for field in ("resourceVersion", "uid", "creationTimestamp", "managedFields"):
            binding["metadata"].pop(field, None)
        kept["binding"] = binding
        bed.kube.delete(*BINDING)
        wait_authorized(bed, refused=[APPROVE])
        time.sleep(2)  # the webhook believes an answer for a second

    before = len(signed_csrs(bed))
    async with controller_with_fault(bed, take_the_right_away) as running:
        cluster_issuer_with_token(bed, "refused", setup_token(bed.vault, layout.policy))
        await asyncio.to_thread(wait_ready, bed, "refused")
        request(bed, "first", namespace, "refused")
        await until(lambda: "binding" in kept, "the right is taken away")
        try:
            await asyncio.to_thread(wait_ready, bed, "refused", None, until="Ready=False")
            request(bed, "second", namespace, "refused")
            await asyncio.sleep(2)
            assert len(running.manager.components.delivery.held) == 1, "the certificate is kept"
            assert len(signed_csrs(bed)) == before + 1, "nothing more is signed"
        finally:
            bed.kube.apply(kept["binding"])
        await asyncio.to_thread(wait_issued, bed, "first", namespace)
        await asyncio.to_thread(wait_issued, bed, "second", namespace)
    assert len(signed_csrs(bed)) == before + 2
    delete_issuer(bed, "refused")
