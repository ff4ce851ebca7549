"""From the previous version to this one."""

from __future__ import annotations

import pytest

from testbed.samples import API_VERSION
from tests.e2e.arrivals import Arrivals
from tests.e2e.cluster import ISSUER, Cluster, tag

# What docs/upgrading.md asks people to look at.
NEW_VALUES = (
    "--set=clusterIssuers.secrets={vault-ca}",
    "--set=namespacedIssuers.allowedServers={vault.example.com:8200,10.0.0.0/8}",
)


def test_no_request_is_lost_and_none_signed_twice_when_upgraded_from_the_previous_version(
    cluster: Cluster, measured: dict[str, float]
) -> None:
    previous = cluster.settings.previous
    if previous is None:
        pytest.skip("the settings name no previous version")
    cluster.release(tag(previous.image), chart=previous.chart)
    try:
        cluster.furnish()
        before = cluster.signed()
        with Arrivals(cluster) as arrivals:
            arrivals.wait(4)
            cluster.release(*NEW_VALUES)
            arrivals.wait(8)
        measured["upgrade_from_previous_longest_s"] = arrivals.finish()
        assert cluster.signed() - before == len(arrivals.made)
        images = {pod["spec"]["containers"][0]["image"] for pod in cluster.replicas()}
        assert {one.rpartition("/")[2] for one in images} == {cluster.settings.image}
        cluster.kube.wait(API_VERSION, "VaultClusterIssuer", ISSUER)
    finally:
        cluster.uninstall()
