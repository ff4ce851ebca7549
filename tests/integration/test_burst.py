"""A thousand requests at once: all issued, each signed once, with one login; what it costs is printed."""

from __future__ import annotations

import pytest

from benchmarks.burst import measure
from testbed.cluster import Testbed
from testbed.vaultpki import PkiLayout
from tests.integration.support import delete_issuer

COUNT = 1000


@pytest.mark.slow
def test_a_thousand_requests_at_once_are_all_issued(
    bed: Testbed, layout: PkiLayout, capsys: pytest.CaptureFixture[str]
) -> None:
    burst = measure(bed, COUNT, namespace="burst-thousand")
    with capsys.disabled():
        print(f"\n  {burst}")
    assert burst.signed == COUNT
    assert burst.logins == 1
    delete_issuer(bed, "burst-thousand")
