"""A burst of requests: all issued, each signed once, with one login; what it costs is printed."""

from __future__ import annotations

import pytest

from benchmarks import load
from benchmarks.runner import clients
from benchmarks.scenarios import NAMESPACE, burst
from benchmarks.systems import Ours
from testbed.cluster import Testbed
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout
from tests.integration.support.common import delete_issuer
from tests.sizes import sized

pytestmark = pytest.mark.usefixtures("many_requests")
COUNT = sized(1000, 200)


@pytest.mark.slow
async def test_a_burst_is_issued_whole_with_one_login(
    bed: Testbed, layout: PkiLayout, capsys: pytest.CaptureFixture[str]
) -> None:
    system = Ours()
    system.prepare(bed)
    async with clients(bed) as bench:
        values = await burst(bench, system, load.requests(COUNT, NAMESPACE, [system.issuer]))
    delete_issuer(bed, system.issuer["name"])
    bed.kube.delete(API_VERSION, "CertificateRequestPolicy", "bench")
    with capsys.disabled():
        print(
            f"\n  {COUNT} requests at once: {values['per_second']:.0f}/s, controller CPU"
            f" {values['controller_cpu_ms']:.2f} ms each, peak memory {values['rss_peak_mb']:.0f} MB"
        )
    assert values["count"] == COUNT
    assert values["signed"] == COUNT
    assert values["logins"] == 1
