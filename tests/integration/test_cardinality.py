"""A sample of many requests in many namespaces leaves the number of series where its arithmetic says."""

from __future__ import annotations

import pytest

from testbed.cluster import Testbed
from testbed.vaultpki import PkiLayout
from tests.integration.support.cardinality import clear, flood, most, unbounded
from tests.sizes import sized

pytestmark = pytest.mark.usefixtures("many_requests")
REQUESTS, NAMESPACES = sized(800, 120), sized(40, 6)


@pytest.mark.slow
async def test_a_sample_of_requests_in_many_namespaces_makes_no_series(
    bed: Testbed, layout: PkiLayout
) -> None:
    seen = await flood(bed, layout, REQUESTS, NAMESPACES, certificates=0)
    clear(bed, NAMESPACES)
    assert (seen.issued, seen.denied, seen.failed) == (REQUESTS * 17 / 20, REQUESTS / 20, REQUESTS / 20)
    assert unbounded(seen) == []
    assert len(seen.series) <= most()
