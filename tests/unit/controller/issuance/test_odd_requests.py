"""Whatever a request, a policy or an answer of Vault's says, it ends as an outcome that somebody expected."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from issuer.controller.approval.policies import PolicyStore
from issuer.signing.outcomes import SigningError
from issuer.signing.signer import SigningRequest
from issuer.signing.vault.signer import VaultSigner
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AppRole
from tests.builders import certificate_request, csr_pem
from tests.ca import TestCA
from tests.examples import examples
from tests.unit.controller.bench import KEY, Bench
from tests.unit.controller.issuers.test_odd_specs import ODD

TEXT = st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers() | st.floats(allow_nan=False) | st.sampled_from([10**400, -1, 1e308, 2**63, 2**31])
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CA = TestCA.make()
CSR = csr_pem("a.example.test").decode()


def expects_nothing_unexpected(bench: Bench) -> None:
    """No worker met what nobody expected."""
    (found,) = bench.metrics.worker_errors.collect()
    assert not [one for one in found.samples if one.name.endswith("_total") and one.value]


@settings(max_examples=examples(60), deadline=timedelta(seconds=30))
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "duration": TEXT | st.sampled_from(["9999999h", "1e9h", "-1h", "0", "9" * 400 + "h", "1ns"]),
            "usages": st.lists(TEXT, max_size=3),
            "username": TEXT,
            "groups": st.lists(TEXT, max_size=2),
            "uid": TEXT,
            "extra": st.dictionaries(TEXT, st.lists(TEXT, max_size=2), max_size=2),
            "isCA": st.booleans(),
            "request": TEXT,
        },
    ),
    st.dictionaries(st.sampled_from(["failureTime", "certificate", "ca"]), TEXT, max_size=3),
)
def test_any_spec_and_status_of_a_request_ends_as_an_answer(
    spec: dict[str, Any], status: dict[str, Any]
) -> None:
    async def attempt() -> None:
        bench = Bench(CA).with_ready_issuer()
        made = certificate_request()
        made["spec"] |= spec
        made["status"] = {**made.get("status", {}), **status}
        bench.store.upsert(made)
        bench.signer.signs.append(lambda request: CA.sign(request.csr_pem))
        for _ in range(3):
            bench.kube.accepts_status()
        await bench.reconciler.reconcile(KEY)
        expects_nothing_unexpected(bench)
        bench.queue.close()
        bench.issuer_queue.close()

    asyncio.run(attempt())


@settings(max_examples=examples(80), deadline=timedelta(seconds=30))
@given(
    st.dictionaries(st.sampled_from(["allowed", "constraints", "selector", "plugins", "x"]), JSON, max_size=4)
)
def test_any_policy_is_compiled_or_told_to_be_invalid(spec: dict[str, Any]) -> None:
    met: list[Exception] = []

    def told(_name: str, error: Exception) -> str:
        met.append(error)
        return ""

    store = PolicyStore(lambda _name: None, told)
    store.upsert({"metadata": {"name": "p", "uid": "u", "generation": 1}, "spec": spec})
    assert not met, repr(met)


ANSWERS = JSON | st.fixed_dictionaries(
    {},
    optional={
        "auth": st.fixed_dictionaries(
            {"client_token": TEXT | st.just("hvs.abcdefghijkl")},
            optional={"lease_duration": JSON, "renewable": JSON, "accessor": JSON},
        ),
        "data": st.dictionaries(
            st.sampled_from(["certificate", "serial_number", "ca_chain", "issuing_ca", "ttl", "paths"]),
            JSON | st.just(CA.ca_pems) | st.just([CA.ca_pems]),
            max_size=5,
        ),
        "errors": JSON,
    },
)


@settings(max_examples=examples(60), deadline=timedelta(seconds=30))
@given(
    st.lists(
        st.tuples(st.sampled_from([200, 204, 301, 307, 400, 403, 404, 412, 429, 500, 503]), ANSWERS),
        min_size=1,
        max_size=6,
    ),
    st.dictionaries(
        st.sampled_from(["Retry-After", "Location", "Content-Encoding"]),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
        max_size=2,
    ),
)
def test_any_answer_of_vaults_ends_as_an_outcome(
    answers: list[tuple[int, Any]], headers: dict[str, str]
) -> None:
    async def ask() -> None:
        left = list(answers)

        async def answer(_request: web.BaseRequest) -> web.Response:
            status, body = left.pop(0) if len(left) > 1 else left[0]
            return web.Response(status=status, body=dumped(body), headers=headers)

        runner = web.ServerRunner(web.Server(answer), access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        signer = VaultSigner(Connection(url, timeout=5), AppRole("r", "s"), "pki/sign/web", revokes=True)
        asked = SigningRequest(CSR, timedelta(hours=1), frozenset(), False)
        try:
            for call in (signer.check, lambda: signer.sign(asked), lambda: signer.revoke(CSR)):
                with suppress(SigningError):
                    await call()
            signer.login_ends_in()
        finally:
            await signer.close()
            await runner.cleanup()

    asyncio.run(ask())


def dumped(body: Any) -> bytes:
    """JSON, also of numbers that no double holds."""
    return json.dumps(body).encode()
