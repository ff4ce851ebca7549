"""Calls, their bounds, and what becomes of their failures."""

from __future__ import annotations

import socket
from contextlib import aclosing
from dataclasses import replace

import pytest
from aiohttp import web

from issuer.kube import client as module
from issuer.kube import errors
from issuer.kube.auth.credentials import Access
from issuer.kube.client import KubeClient
from issuer.kube.resources import SECRETS, SERVICE_ACCOUNTS
from issuer.requests.resources import CERTIFICATE_REQUESTS, VAULT_CLUSTER_ISSUERS
from tests.unit.kube.fake_api import (
    FakeApi,
    client_of,
    echo,
    event,
    failure,
    json,
    listing,
    never,
    raw,
    refuse,
    stream,
    thing,
)

SECRET = "/api/v1/namespaces/ns/secrets/s"
REQUESTS = "/apis/cert-manager.io/v1/certificaterequests"
ONE = "/apis/cert-manager.io/v1/namespaces/ns/certificaterequests/a"


async def test_get_sends_the_token_and_returns_the_object(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", SECRET, json({"kind": "Secret"}))
    assert await client.get(SECRETS, "s", "ns") == {"kind": "Secret"}
    assert api.calls[0].headers["Authorization"] == "Bearer secret-token"
    assert api.calls[0].headers["Accept-Encoding"] == "identity"


async def test_writes_go_to_the_path_the_object_names(api: FakeApi, client: KubeClient) -> None:
    body = thing("a", "1")
    api.on("PUT", ONE, echo("2"))
    api.on("PUT", f"{ONE}/status", echo("3"))
    api.on("POST", ONE.removesuffix("/a"), echo("4"))
    assert (await client.replace(CERTIFICATE_REQUESTS, body))["metadata"]["resourceVersion"] == "2"
    assert (await client.replace_status(CERTIFICATE_REQUESTS, body))["metadata"]["resourceVersion"] == "3"
    assert (await client.create(CERTIFICATE_REQUESTS, body))["metadata"]["resourceVersion"] == "4"
    assert [call.body for call in api.calls] == [body] * 3


async def test_a_whole_list_is_read_page_by_page(api: FakeApi, client: KubeClient) -> None:
    first, second = thing("a", "1"), thing("b", "2")
    api.on("GET", REQUESTS, listing("7", first, more="t"), listing("7", second))
    assert [obj async for obj in client.list_all(CERTIFICATE_REQUESTS, label_selector="x")] == [first, second]
    assert [call.query.get("continue") for call in api.calls] == [None, "t"]
    assert {call.query["labelSelector"] for call in api.calls} == {"x"}


async def test_patches_say_what_they_are_and_may_be_tried_out(api: FakeApi, client: KubeClient) -> None:
    body = thing("a", "1")
    api.on("PATCH", ONE, json({}), json({}))
    await client.patch(CERTIFICATE_REQUESTS, "a", {"spec": {"x": None}}, "ns", manager="me", dry_run=True)
    await client.apply(CERTIFICATE_REQUESTS, body, manager="me")
    patched, applied = api.calls
    assert patched.headers["Content-Type"] == "application/merge-patch+json"
    assert (patched.body, patched.query["dryRun"]) == ({"spec": {"x": None}}, "All")
    assert applied.headers["Content-Type"] == "application/apply-patch+yaml"
    assert (applied.body, applied.query["fieldManager"]) == (body, "me")
    assert "dryRun" not in applied.query
    assert "force" not in applied.query, "what somebody else set is theirs"


async def test_delete_names_the_uid_it_means(api: FakeApi, client: KubeClient) -> None:
    api.on("DELETE", ONE, json({"kind": "Status"}), json({"kind": "Status"}))
    await client.delete(CERTIFICATE_REQUESTS, "a", "ns", uid="u")
    await client.delete(CERTIFICATE_REQUESTS, "a", "ns")
    assert api.calls[0].body["preconditions"] == {"uid": "u"}
    assert api.calls[1].body is None


async def test_a_page_carries_selector_limit_and_token(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", REQUESTS, listing("7", thing("a", "1"), more="next"))
    page = await client.list_page(CERTIFICATE_REQUESTS, limit=1, continue_token="t", field_selector="a=b&c")
    assert (page.resource_version, page.continue_token, len(page.items)) == ("7", "next", 1)
    assert api.calls[0].query == {"fieldSelector": "a=b&c", "limit": "1", "continue": "t"}
    assert "uid-a" not in repr(page)


async def test_a_token_request_names_audiences_and_hides_the_token(api: FakeApi, client: KubeClient) -> None:
    status = {"token": "jwt", "expirationTimestamp": "2030-01-01T00:00:00Z"}
    api.on("POST", SERVICE_ACCOUNTS.path("ns", "sa", "token"), json({"status": status}, status=201))
    token = await client.request_token("ns", "sa", ["vault://x"], 700)
    assert (token.value, token.expires) == ("jwt", "2030-01-01T00:00:00Z")
    assert "jwt" not in repr(token)
    assert api.calls[0].body["spec"] == {"audiences": ["vault://x"], "expirationSeconds": 700}


async def test_a_token_request_without_a_token_is_an_error(api: FakeApi, client: KubeClient) -> None:
    api.on("POST", SERVICE_ACCOUNTS.path("ns", "sa", "token"), json({"status": {}}))
    with pytest.raises(errors.KubeError, match="without a token"):
        await client.request_token("ns", "sa", [])


async def test_errors_are_translated_and_say_which_call(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", SECRET, refuse(403, "Forbidden", "secrets is forbidden"))
    with pytest.raises(errors.Forbidden, match=f"GET {SECRET}: secrets is forbidden"):
        await client.get(SECRETS, "s", "ns")


async def test_retry_after_is_read_from_the_header(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", SECRET, json({}, status=429, headers={"Retry-After": "3"}))
    with pytest.raises(errors.TooManyRequests) as caught:
        await client.get(SECRETS, "s", "ns")
    assert caught.value.retry_after == 3


async def test_an_error_page_of_a_proxy_is_not_repeated(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", SECRET, raw(b"<html>internal detail</html>", 502))
    with pytest.raises(errors.Unavailable) as caught:
        await client.get(SECRETS, "s", "ns")
    assert "internal detail" not in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>", b"[1]", b""])
async def test_an_answer_that_is_no_object_is_an_error(
    api: FakeApi, client: KubeClient, content: bytes
) -> None:
    api.on("GET", SECRET, raw(content))
    with pytest.raises(errors.KubeError, match="the answer is not"):
        await client.get(SECRETS, "s", "ns")


@pytest.mark.parametrize("length", [True, False])
async def test_an_answer_over_the_bound_is_dropped(
    api: FakeApi, client: KubeClient, monkeypatch: pytest.MonkeyPatch, length: bool
) -> None:
    monkeypatch.setattr(module, "MAX_PAGE", 100)
    api.on("GET", REQUESTS, raw(b"{" + b" " * 200 + b"}", length=length))
    with pytest.raises(errors.AnswerTooLarge, match="larger than 100 bytes"):
        await client.list_page(CERTIFICATE_REQUESTS)


async def test_redirects_are_not_followed(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", SECRET, json({}, status=307, headers={"Location": f"{api.url}/elsewhere"}))
    with pytest.raises(errors.KubeError):
        await client.get(SECRETS, "s", "ns")


async def test_no_answer_in_time_is_unavailable(api: FakeApi) -> None:
    async with client_of(api, timeout=0.05) as client:
        api.on("GET", SECRET, never())
        with pytest.raises(errors.Unavailable, match="no answer in time"):
            await client.get(SECRETS, "s", "ns")


async def test_a_refused_connection_is_unavailable(api: FakeApi) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound but not listening: nothing else can take the port
        api.url = f"http://127.0.0.1:{held.getsockname()[1]}"
        async with client_of(api) as client:
            with pytest.raises(errors.Unavailable, match=r"cannot connect to 127\.0\.0\.1"):
                await client.get(SECRETS, "s", "ns")


async def test_a_connection_lost_half_way_is_unavailable(api: FakeApi, client: KubeClient) -> None:
    async def cut(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    api.on("GET", SECRET, cut)
    with pytest.raises(errors.Unavailable, match="the connection was lost"):
        await client.get(SECRETS, "s", "ns")


async def test_a_closed_client_is_unavailable(api: FakeApi, client: KubeClient) -> None:
    await client.close()
    with pytest.raises(errors.Unavailable, match="closed"):
        await client.get(SECRETS, "s", "ns")


class Rotating:
    """A source that hands out another token at each load."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self.loads = 0
        self.broken = False

    async def load(self) -> Access:
        self.loads += 1
        if self.broken:
            raise errors.ConfigError("token file is gone")
        return replace(self.access, authorization=f"Bearer {self.loads}")


async def test_a_401_loads_the_credentials_once_more_and_repeats_the_call(api: FakeApi) -> None:
    source = Rotating(api.client_access())
    client = await KubeClient.open(source, user_agent="test")
    api.on("GET", SECRET, refuse(401, "Unauthorized"), json({"kind": "Secret"}))
    try:
        assert await client.get(SECRETS, "s", "ns") == {"kind": "Secret"}
    finally:
        await client.close()
    assert [call.headers["Authorization"] for call in api.calls] == ["Bearer 1", "Bearer 2"]


async def test_refusals_do_not_load_the_credentials_in_a_loop(api: FakeApi) -> None:
    source = Rotating(api.client_access())
    client = await KubeClient.open(source, user_agent="test")
    api.on("GET", SECRET, *[refuse(401, "Unauthorized")] * 3)
    try:
        for _ in range(2):
            with pytest.raises(errors.Unauthorized):
                await client.get(SECRETS, "s", "ns")
    finally:
        await client.close()
    assert source.loads == 2


async def test_credentials_that_did_not_change_are_not_tried_again(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", SECRET, refuse(401, "Unauthorized"))
    with pytest.raises(errors.Unauthorized):
        await client.get(SECRETS, "s", "ns")


async def test_credentials_are_loaded_anew_when_due_and_kept_while_that_fails(api: FakeApi) -> None:
    source = Rotating(replace(api.client_access(), good_for=0.0))
    client = await KubeClient.open(source, user_agent="test")
    api.on("GET", SECRET, json({}), json({}))
    try:
        await client.get(SECRETS, "s", "ns")
        source.broken = True
        await client.get(SECRETS, "s", "ns")
    finally:
        await client.close()
    assert [call.headers["Authorization"] for call in api.calls] == ["Bearer 2", "Bearer 2"]
    assert source.loads == 3


async def collect(client: KubeClient, read_timeout: float = 5.0) -> list[tuple[str, str]]:
    found = []
    events = client.watch(
        VAULT_CLUSTER_ISSUERS, resource_version="5", field_selector="a=b", read_timeout=read_timeout
    )
    async with aclosing(events):
        async for kind, obj in events:
            found.append((kind, obj.get("metadata", {}).get("name", "")))
    return found


ISSUERS = VAULT_CLUSTER_ISSUERS.path()


async def test_a_watch_asks_for_bookmarks_and_splits_lines_wherever_they_were_cut(
    api: FakeApi, client: KubeClient
) -> None:
    lines = b"".join(event("ADDED", thing(f"n{number}", str(number))) for number in range(3))
    pieces = [lines[at : at + 7] for at in range(0, len(lines), 7)]
    api.on("GET", ISSUERS, stream(*pieces), stream(lines + b"\n" + lines))
    assert await collect(client) == [("ADDED", f"n{number}") for number in range(3)]
    assert len(await collect(client)) == 6
    query = api.calls[0].query
    assert query.pop("timeoutSeconds")
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": "5",
        "fieldSelector": "a=b",
    }


async def test_an_error_event_is_raised(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", ISSUERS, stream(event("ERROR", failure(410, "Expired", "too old resource version"))))
    with pytest.raises(errors.Expired, match="too old"):
        await collect(client)


async def test_a_silent_watch_is_given_up(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", ISSUERS, stream(event("ADDED", thing("a", "1")), hang=True))
    with pytest.raises(errors.Unavailable, match="no answer in time"):
        await collect(client, read_timeout=0.05)


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b'{"type":"ADDED"}\n', b'{"type":1,"object":{}}\n'])
async def test_a_line_that_is_no_event_is_an_error(api: FakeApi, client: KubeClient, line: bytes) -> None:
    api.on("GET", ISSUERS, stream(line))
    with pytest.raises(errors.Unavailable, match="not a watch event"):
        await collect(client)


async def test_an_event_over_the_bound_is_skipped_wherever_it_is_cut(
    api: FakeApi, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = event("ADDED", thing("a", "1")), event("ADDED", thing("b", "2"))
    monkeypatch.setattr(module, "MAX_LINE", max(len(before), len(after)))
    large = b"x" * (len(before) + 1) + b"\n"
    whole = before + large + large + after
    pieces = [whole[at : at + 7] for at in range(0, len(whole), 7)]
    api.on("GET", ISSUERS, stream(*pieces), stream(before + large, b"x" * 500, b"y" * 500))
    skipped = ("TOO_LARGE", "")
    assert await collect(client) == [("ADDED", "a"), skipped, skipped, ("ADDED", "b")]
    assert await collect(client) == [("ADDED", "a"), skipped]


async def test_a_watch_may_begin_with_all_that_is_there(api: FakeApi, client: KubeClient) -> None:
    api.on("GET", ISSUERS, stream(event("ADDED", thing("a", "1"))))
    async with aclosing(client.watch(VAULT_CLUSTER_ISSUERS, resource_version=None)) as events:
        assert [kind async for kind, _ in events] == ["ADDED"]
    query = api.calls[0].query
    assert query.pop("timeoutSeconds")
    assert query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "sendInitialEvents": "true",
        "resourceVersionMatch": "NotOlderThan",
    }


REVIEWS = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


@pytest.mark.parametrize(("status", "taken"), [(201, True), (403, True), (404, True), (401, False)])
async def test_a_token_is_taken_unless_the_server_says_401(
    api: FakeApi, client: KubeClient, status: int, taken: bool
) -> None:
    api.on("POST", REVIEWS, json({"kind": "Status"}, status))
    assert await client.takes_token("shown") is taken
    (call,) = api.calls
    assert call.headers["Authorization"] == "Bearer shown", "with no other credential, and once"
    assert call.body["kind"] == "SelfSubjectReview"


@pytest.mark.parametrize("status", [400, 429, 500, 503])
async def test_an_answer_that_says_nothing_of_the_token_is_an_error(
    api: FakeApi, client: KubeClient, status: int
) -> None:
    api.on("POST", REVIEWS, json({"kind": "Status"}, status))
    with pytest.raises(errors.KubeError):
        await client.takes_token("shown")
