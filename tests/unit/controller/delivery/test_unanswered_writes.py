"""Certificates whose write had no answer when the controller ends: revoked only if nobody can have them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from issuer.kube.errors import Conflict, Forbidden, KubeError, NotFound, Unavailable
from issuer.kube.wire import Object
from tests.builders import certificate_request
from tests.ca import TestCA
from tests.unit.controller.bench import Bench

LOST = Unavailable("the connection broke")


@pytest.fixture
def bench(ca: TestCA) -> Iterator[Bench]:
    one = Bench(ca).with_ready_issuer().with_request()
    one.signer.revokes.extend([None] * 5)
    yield one
    one.queue.close()
    one.issuer_queue.close()


def at_version(version: str, obj: Object | None = None) -> Object:
    """A request as it is at that resourceVersion."""
    obj = obj or certificate_request()
    return {**obj, "metadata": {**obj["metadata"], "resourceVersion": version}}


async def written(bench: Bench, *answers: KubeError) -> None:
    """The certificate is signed, and these are the answers to its first writes."""
    bench.signs()
    for answer in answers:
        bench.kube.expect("replace_status", answer)
        if isinstance(answer, Conflict):
            bench.kube.expect("get", LOST)
        elif isinstance(answer, Forbidden):
            bench.kube.expect("create", {"status": {"allowed": True}})
            bench.kube.accepts_status()
        await bench.reconcile()


async def ended(bench: Bench, read: Object | KubeError | None) -> tuple[bool, str]:
    """Shut down; `read` is what the API server shows then, None if it is not to be asked. Returns if the
    certificate was revoked, and why not."""
    if read is not None:
        bench.kube.expect("get", read)
    with capture_logs() as logs:
        await bench.delivery.close()
    assert not bench.kube.script
    assert len(bench.delivery.held) == 0
    [line] = [one for one in logs if one["event"] == "certificate not delivered"]
    assert line["serial"]
    assert line["revoked"] == bool(bench.signer.revoked)
    return line["revoked"], line.get("not_revoked_because", "")


async def test_one_that_may_be_written_yet_is_logged_and_not_revoked(bench: Bench) -> None:
    """The API server may apply a write that it took just before, behind our look."""
    await written(bench, LOST)
    assert await ended(bench, at_version("1")) == (False, "its write had no answer, and may arrive yet")


async def test_one_that_cannot_be_written_any_more_is_revoked(bench: Bench) -> None:
    """Somebody changed the request: a write from the copy before is refused."""
    await written(bench, LOST, LOST)
    assert await ended(bench, at_version("2")) == (True, "")


async def test_one_whose_request_is_gone_is_revoked(bench: Bench) -> None:
    await written(bench, LOST)
    assert await ended(bench, NotFound("gone", status=404)) == (True, "")


async def test_one_whose_write_was_refused_is_revoked_unread(bench: Bench) -> None:
    await written(bench, Forbidden("no", status=403))
    assert await ended(bench, None) == (True, "")


async def test_a_refusal_says_nothing_of_an_earlier_write_from_the_same_copy(bench: Bench) -> None:
    """As a conflict that our own lost write made."""
    await written(bench, LOST, Conflict("newer", status=409))
    revoked, why = await ended(bench, LOST)
    assert not revoked
    assert "nobody can say" in why


async def test_one_that_was_written_after_all_counts_as_delivered(bench: Bench) -> None:
    sent: list[Object] = []

    def lose(obj: Object) -> KubeError:
        sent.append(obj)
        return LOST

    bench.signs()
    bench.kube.expect("replace_status", lose)
    await bench.reconcile()
    bench.kube.expect("get", at_version("2", sent[0]))
    with capture_logs() as logs:
        await bench.delivery.close()
    assert [one["event"] for one in logs] == ["certificate left behind", "issued"]
    assert bench.signer.revoked == []
