"""The step-ca backend keeps the contract, against a step-ca of fakes that checks tokens as the real one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from issuer.servers.allowed import AllowedServers
from issuer.signing.contract import BackendContract, ContractCase, FakeKubernetes, Fault
from issuer.signing.contract.controllers import ControllerOf
from issuer.signing.contract.kubernetes import CLUSTER_NAMESPACE
from issuer.signing.contract.opened import OpenedCase
from issuer.signing.settings import BackendSettings
from issuer.signing.step.adopted import AdoptedStepBackend
from issuer.signing.step.backend import StepBackend
from issuer.signing.step.provisioner import account
from tests.unit.step.fake import (
    FORBIDDEN,
    PASSWORD,
    REVOKE,
    SIGN,
    UNAUTHORIZED,
    Answer,
    FakeStepCA,
    fake_step_ca,
    refusal,
)


class TestStep(BackendContract):
    """The contract, kept by step-ca."""

    @pytest.fixture
    async def step(self) -> AsyncIterator[FakeStepCA]:
        async with fake_step_ca() as running:
            yield running

    @pytest.fixture
    async def case(
        self, kube: FakeKubernetes, step: FakeStepCA, monkeypatch: pytest.MonkeyPatch
    ) -> ContractCase:
        monkeypatch.setattr(account, "_NEXT_SECOND", 0.0)
        kube.put_secret("step", {"password": PASSWORD.encode()})
        spec = step.spec

        def answer(status: int, message: str, *calls: str) -> None:
            def answered(call: str) -> Answer | None:
                return (status, refusal(status, message)) if not calls or call in calls else None

            step.answer = answered

        return ContractCase(
            backend=StepBackend(),
            spec=spec,
            bad_specs={
                "nothing": {},
                "no password": {**spec, "provisioner": {"name": "admin", "kid": "x"}},
                "no key of the Secret": {
                    **spec,
                    "provisioner": {**spec["provisioner"], "passwordRef": {"name": "step"}},
                },
                "two passwords": {**spec, "provisioner": {**spec["provisioner"], "passwordEnv": "X"}},
                "a list": {**spec, "provisioner": []},
            },
            signed=lambda: len(step.signed),
            faults={
                Fault.UNREACHABLE: lambda: answer(503, "starting"),
                Fault.BUSY: lambda: answer(429, "slow down", SIGN),
                Fault.REFUSES_ISSUER: lambda: answer(401, UNAUTHORIZED, SIGN),
                Fault.REFUSES_REQUEST: lambda: answer(403, f"{FORBIDDEN}dns name not allowed.", SIGN),
                Fault.LOSES_ANSWER: lambda: setattr(step, "cut_answers", True),
                Fault.REFUSES_REVOCATION: lambda: answer(501, "no database", REVOKE),
            },
            revoked=lambda: len(step.revoked),
            settings=BackendSettings(
                CLUSTER_NAMESPACE, timeout=10, allowed_servers=AllowedServers.parse(["127.0.0.0/8"])
            ),
        )

    async def test_a_ready_issuer_tells_the_bounds_of_its_provisioner(
        self, step: FakeStepCA, opened_case: OpenedCase
    ) -> None:
        step.claims = {
            "minTLSCertDuration": "10m",
            "maxTLSCertDuration": "2h",
            "defaultTLSCertDuration": "1h",
        }
        for kind in opened_case.kinds:
            ready = await ControllerOf(opened_case).check_issuer(kind)
            for bound in ("at least 10m0s", "at most 2h0m0s", "1h0m0s where none is asked for"):
                assert bound in ready["message"]

    async def test_an_adopted_issuer_has_conditions_alone_and_waits_for_its_approver(
        self, opened_case: OpenedCase
    ) -> None:
        """Of what else is written the API server would keep nothing, and each check would write it again."""
        case = replace(opened_case.case, backend=AdoptedStepBackend())
        adopted = replace(opened_case, case=case)
        for kind in adopted.kinds:
            controller = ControllerOf(adopted)
            assert "observedGeneration" not in await controller.check_issuer(kind)
            await controller.check_again(kind)
            [status] = controller.issuer_statuses(kind)
            assert set(status) == {"conditions"}
            controller.apply(case.certificate_request(kind))
            await controller.work()
            assert (controller.answers(), case.signed()) == ([], 0)
