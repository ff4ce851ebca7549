"""A real minute of 502 on the signing path, and how soon what waited is issued.

Not collected with the other tests: `make test-outage`.
"""

from __future__ import annotations

import time
from functools import partial

import pytest

from testbed.controller import ControllerProcess
from tests.integration.support.bad_gateway import BadGateway, outlast
from tests.integration.support.cas_under_test import CAUnderTest

COUNT, SECONDS = 200, 75


def _is_past(ends: float) -> bool:
    return time.monotonic() > ends


@pytest.mark.slow
def test_what_waited_is_issued_seconds_after_an_outage(
    ca: CAUnderTest, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for probes in (True, False):
        where = ca.bed.create_namespace(f"{namespace}-{'signing' if probes else 'all'}")
        with ControllerProcess(ca.bed), BadGateway(ca, "bad-gateway", probes=probes) as gateway:
            ends = time.monotonic() + SECONDS
            found = outlast(ca, gateway, where, COUNT, partial(_is_past, ends))
        what = "of signing calls" if probes else "of every call of the path, checks included,"
        with capsys.disabled():
            print(
                f"\n  {SECONDS} s of 502 {what} {sum(gateway.refused.values())} refused: "
                f"the last of {COUNT} issued after {found.last:.1f} s"
            )
