"""Whatever an issuer's spec and its Secrets say, a check ends as an answer that names what is wrong."""

from __future__ import annotations

import asyncio
import base64
import socket
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.controller.access.permissions import ApprovalRights
from issuer.controller.access.revocation import RevocationRights
from issuer.controller.approval.policies import PolicyStore
from issuer.controller.issuers.checker import IssuerChecker
from issuer.controller.issuers.reconciler import IssuerReconciler
from issuer.controller.issuers.reporter import IssuerReporter
from issuer.controller.issuers.signers import IssuerSigners
from issuer.controller.issuers.status import CheckResult
from issuer.controller.scheduling.checks import CheckFlows
from issuer.controller.state.defects import Defects
from issuer.controller.state.health.issuers import IssuerRegistry
from issuer.controller.state.reasons import ControllerIssuerReason
from issuer.controller.state.watched.issuers import IssuerStore
from issuer.kube.client import KubeClient
from issuer.kube.events import EventRecorder
from issuer.kube.queues.workqueue import WorkQueue
from issuer.kube.wire import Object
from issuer.requests.issuers import IssuerKey
from issuer.servers.allowed import AllowedServers
from issuer.signing.backends import built_in
from issuer.signing.settings import BackendSettings
from issuer.telemetry.metrics import Metrics
from issuer.vault.login.tokens import ignored
from tests.builders import csr_pem
from tests.examples import examples
from tests.unit.controller.bench import Rights
from tests.unit.controller.fakes import SilentRecorder

KEY = IssuerKey("VaultIssuer", "team-a", "odd")

# What the API server hands on: any text without surrogates, and pieces that libraries stumble over.
ODD = (
    *(
        "..",
        ".",
        "xn--",
        "xn--a",
        "\0",
        "\n",
        "\r\n",
        " ",
        "\u2028",
        "\u200b",
        "\ufffd",
        "%",
        "%zz",
        "@",
        "[",
    ),
    *("]", "[::1", "::", ":0", ":99999", ":\u0663", "ß", "ä" * 70, "a" * 64, "a." * 130, "*", "\\", "/", "?"),
    *(
        "#",
        "\u0130",
        "\u3002",
        "\u212a",
        "\x85",
        "\U0001f642",
        "https://",
        "v1/",
        "auth/",
        "$",
        "{mount_point}",
    ),
)
PIECES = st.sampled_from(ODD)
TEXT = st.lists(PIECES | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=5).map(
    "".join
)
LOGINS = ("tokenSecretRef", "appRole", "clientCertificate", "kubernetes", "kubernetes-secret", "aws")


class Api:
    """Hands out one Secret, whatever is asked for, and tokens."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret

    async def get(self, _resource: object, name: str, _namespace: str) -> Object:
        keys = ("token", "key", "ca.crt", "tls.crt", "tls.key")
        data = {key: base64.b64encode(self.secret).decode() for key in keys}
        return {"metadata": {"name": name, "resourceVersion": "1"}, "data": data}

    async def request_token(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(value="a.jwt.x")


@pytest.fixture(autouse=True)
def _no_dns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked up as Python does it, which encodes them, and none is there."""
    real = socket.getaddrinfo

    def getaddrinfo(host: str | bytes | None, *more: Any, **named: Any) -> Any:
        if host == "127.0.0.1":
            return real(host, *more, **named)
        if isinstance(host, str):
            host.encode("idna")
            if "\0" in host:
                raise ValueError("embedded null character")
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://127.0.0.1:1")


EVERYWHERE = AllowedServers.parse(["0.0.0.0/0", "::/0", "127.0.0.0/8", "::1"])


async def checked(spec: Object, secret: bytes = b"hvs.abcdefghijkl") -> tuple[CheckResult, Defects]:
    """What one check says of an issuer with that spec."""
    metrics = Metrics()
    defects = Defects(metrics)
    client = cast(KubeClient, Api(secret))
    stores = {KEY.kind: IssuerStore(KEY.kind, lambda _key: None)}
    registry = IssuerRegistry(lambda _key: None)
    backends = built_in()
    settings = BackendSettings("vault-issuer-system", timeout=5, allowed_servers=EVERYWHERE)
    queue: WorkQueue[IssuerKey] = WorkQueue()
    connectors = {KEY.kind: backends.of(KEY.kind).connector(client, settings, ignored)}
    checker = IssuerChecker(
        client=client,
        stores=stores,
        registry=registry,
        backends=backends,
        signers=IssuerSigners(client, stores, registry, queue, connectors, settings.home),
        policies=PolicyStore(lambda _name: None, lambda _name, _error: ""),
        approval_rights=cast(ApprovalRights, Rights()),
        revocation_rights=cast(RevocationRights, Rights()),
    )
    reconciler = IssuerReconciler(
        stores=stores,
        registry=registry,
        queue=queue,
        flows=CheckFlows(stores, workers=1, longest=60, backends=backends),
        checker=checker,
        reporter=IssuerReporter(client, stores, backends, cast(EventRecorder, SilentRecorder())),
        metrics=metrics,
        defects=defects,
        period=60,
    )
    meta = {"name": KEY.name, "namespace": KEY.namespace, "uid": "u", "generation": 1, "resourceVersion": "1"}
    obj = {"apiVersion": "vault-issuer.io/v1alpha1", "kind": KEY.kind, "metadata": meta, "spec": spec}
    stores[KEY.kind].upsert(obj)
    try:
        return await reconciler._result(KEY, obj), defects
    finally:
        await registry.close()


def vault(url: str, auth: str, word: str = "x") -> Object:
    """`spec.vault` with that login, each of whose words is `word`."""
    secret, account = {"name": "s", "key": "key"}, {"name": "sa", "audiences": [word]}
    logins: dict[str, Object] = {
        "tokenSecretRef": secret,
        "appRole": {"path": word, "roleId": word or "x", "secretRef": secret},
        "clientCertificate": {"mountPath": word, "name": word, "secretName": "s"},
        "kubernetes": {"mountPath": word, "role": word or "x", "serviceAccountRef": account},
        "kubernetes-secret": {"mountPath": word, "role": word or "x", "secretRef": secret},
        "aws": {
            "mountPath": word,
            "role": word or "x",
            "region": word,
            "vaultHeaderValue": word,
            "iamRoleArn": word or "x",
            "serviceAccountRef": account,
        },
    }
    name = auth.partition("-")[0]
    return {"server": url, "path": "pki/sign/web", "auth": {name: logins[auth]}}


class Answering:
    """A server on loopback that answers every call in the same way."""

    def __init__(self) -> None:
        self.url = ""

    async def __aenter__(self) -> Answering:
        async def answer(_request: web.BaseRequest) -> web.Response:
            return web.json_response({"errors": ["permission denied"]}, status=403)

        self._runner = web.ServerRunner(web.Server(answer), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


def none_unexpected(verdict: CheckResult) -> None:
    """The check ended as an answer in words: of one piece, bounded where it is somebody else's."""
    assert not verdict.ready
    assert verdict.reason != ControllerIssuerReason.INTERNAL_ERROR, verdict.message
    assert verdict.message


FIELDS = ("server", "serverName", "path", "namespace", "caBundle", "host", "port", "server path")


def placed(url: str, field: str, text: str, auth: str) -> Object:
    """`spec.vault` with `text` in one of its fields."""
    made = vault(url, auth)
    https = url.replace("http:", "https:")
    where: dict[str, Object] = {
        "server": {"server": text},
        "serverName": {"server": https, "serverName": text},
        "path": {"path": text},
        "namespace": {"namespace": text},
        "caBundle": {"server": https, "caBundle": base64.b64encode(text.encode()).decode()},
        "host": {"server": f"https://{text}:8200"},
        "port": {"server": f"https://127.0.0.1:{text}"},
        "server path": {"server": f"{url}/{text}"},
    }
    return {**made, **where[field]}


@settings(max_examples=examples(120), deadline=timedelta(seconds=30))
@given(st.sampled_from(FIELDS), TEXT)
def test_any_text_in_a_field_of_the_connection_ends_as_an_answer(field: str, text: str) -> None:
    async def check() -> None:
        async with Answering() as server:
            spec = {"vault": placed(server.url, field, text, "tokenSecretRef"), "approval": "External"}
            verdict, _ = await checked(spec)
            none_unexpected(verdict)

    asyncio.run(check())


@settings(max_examples=examples(80), deadline=timedelta(seconds=30))
@given(st.sampled_from(LOGINS), TEXT, TEXT | st.just(csr_pem("a.example.test").decode()))
def test_any_text_in_a_login_or_its_secret_ends_as_an_answer(auth: str, text: str, secret: str) -> None:
    async def check() -> None:
        async with Answering() as server:
            url = server.url.replace("http:", "https:") if auth == "clientCertificate" else server.url
            spec = {"vault": vault(url, auth, text), "approval": "External"}
            verdict, _ = await checked(spec, secret.encode())
            none_unexpected(verdict)

    asyncio.run(check())


@pytest.mark.parametrize(
    ("more", "reason", "words"),
    [
        ({"server": "https://vault..example.com:8200"}, "InvalidConnection", "empty label"),
        ({"server": "https://.example.com"}, "InvalidConnection", "empty label"),
        ({"server": f"https://{'a' * 64}.example.com"}, "InvalidConnection", "63"),
        ({"server": f"https://{'a.' * 127}com"}, "InvalidConnection", "253"),
        ({"server": "https://xn--a.example.com"}, "VaultUnreachable", "does not resolve"),
        ({"server": "https://va ult.example.com"}, "InvalidConnection", "spaces"),
        ({"server": "https://vault.example.com\n"}, "VaultUnreachable", "does not resolve"),
        ({"server": "https://@vault.example.com"}, "InvalidConnection", "without user"),
        ({"server": "https://u:p@vault.example.com"}, "InvalidConnection", "without user"),
        ({"server": "https://vault.example.com:0"}, "InvalidConnection", "port"),
        ({"server": "https://vault.example.com:65536"}, "InvalidConnection", "port"),
        ({"server": "https://vault.example.com:x"}, "InvalidConnection", "port"),
        ({"server": "https://vault.example.com:8200?x"}, "InvalidConnection", "query"),
        ({"server": "https://" + "ä" * 70 + ".test"}, "InvalidConnection", ""),
        ({"serverName": "a..b"}, "InvalidConnection", "serverName"),
        ({"serverName": ".a"}, "InvalidConnection", "serverName"),
        ({"serverName": "a b"}, "InvalidConnection", "serverName"),
        ({"serverName": "a" * 64}, "InvalidConnection", "serverName"),
        ({"serverName": "a\0b"}, "InvalidConnection", "serverName"),
        ({"path": "pki/sign/\u2028"}, "InvalidPath", ""),
        ({"namespace": "a\nX-Evil: 1"}, "InvalidConnection", "namespace"),
    ],
)
async def test_what_no_connection_can_be_made_to_is_refused_where_it_is_read(
    more: Object, reason: str, words: str
) -> None:
    made = {**vault("https://nowhere.example.com:8200", "tokenSecretRef"), **more}
    verdict, _ = await checked({"vault": made, "approval": "External"})
    assert verdict.reason == reason
    assert words in verdict.message


@pytest.mark.parametrize(
    "server",
    [
        "https://vault.example.com:8200",
        "https://vault.example.com.:8200/",
        "HTTPS://Vault.Example.com",
        "http://vault",
        "https://vault_0.vault-internal.svc:8200",
        "https://127.0.0.1:1",
        "https://[::1]:1",
        "https://bücher.example:8200/prefix/",
        "  https://vault.example.com  ",
        f"https://{'a' * 63}.example.com",
    ],
)
async def test_addresses_that_people_write_are_dialled(server: str) -> None:
    made = {**vault("", "tokenSecretRef"), "server": server, "serverName": "vault.example.com"}
    verdict, _ = await checked({"vault": made, "approval": "External"})
    assert verdict.reason == "VaultUnreachable", verdict.message


async def test_a_token_of_two_lines_is_named_by_its_secret() -> None:
    verdict, _ = await checked({"vault": vault("https://v.example", "tokenSecretRef")}, b"hvs.abc\nhvs.def")
    assert (verdict.reason, "one line" in verdict.message) == ("SecretKeyNotFound", True)
