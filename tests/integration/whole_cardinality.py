"""20,000 requests in 500 namespaces leave the number of series where its arithmetic says; takes minutes.

Not collected with the other tests: `make test-cardinality`.
"""

from __future__ import annotations

import pytest

from testbed.cluster import Testbed
from testbed.vaultpki import PkiLayout
from tests.integration.support.cardinality import clear, flood, most, unbounded

REQUESTS, NAMESPACES, CERTIFICATES = 20_000, 500, 5_000


@pytest.mark.slow
async def test_20000_requests_in_500_namespaces_make_no_more_series_than_20_in_one(
    bed: Testbed, layout: PkiLayout, capsys: pytest.CaptureFixture[str]
) -> None:
    bed.cert_manager.process.stop()  # it would make keys and requests for the Certificates, too
    few = await flood(bed, layout, 20, 1, certificates=2)
    clear(bed, 1)
    many = await flood(bed, layout, REQUESTS, NAMESPACES, CERTIFICATES)
    assert (many.issued, many.denied, many.failed) == (REQUESTS * 17 / 20, REQUESTS / 20, REQUESTS / 20)
    assert unbounded(many) == []
    grown = many.series - few.series
    with capsys.disabled():
        print(f"\n  20 requests: {len(few.series)} series; {REQUESTS}: {len(many.series)}; most: {most()}")
        print(f"  {len(grown)} series came with the load: {sorted(grown)}")
    assert len(many.series) <= most()
