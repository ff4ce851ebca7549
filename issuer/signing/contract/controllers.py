"""Tests of the controller's reconcilers over a backend: one signing and one status write for each request.

The reconcilers are the real ones, put together as in a controller process; what watches would bring is handed
to their stores.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import replace

import pytest

from issuer.api.group import GROUP, POLICY_PLURAL, VERSION
from issuer.api.issuers import IssuerSpec
from issuer.controller.leadership.ownership import Alone
from issuer.controller.process.options import ControllerOptions
from issuer.controller.process.wiring import Components
from issuer.kube.resources import Resource
from issuer.kube.wire import Object
from issuer.requests.certificate_request import CertificateRequest
from issuer.requests.conditions import find
from issuer.requests.issuers import IssuerKey, IssuerKind
from issuer.requests.kubernetes_csr import KubernetesCSR
from issuer.requests.request import RequestKey
from issuer.signing.backend import Backends, Connector, PreparedSigner
from issuer.signing.contract.case import ContractCase, Fault, csr_pem
from issuer.signing.contract.kubernetes import CLUSTER_NAMESPACE, NAMESPACE
from issuer.signing.contract.opened import OpenedCase
from issuer.signing.signer import SignedCertificate, Signer, SigningRequest
from issuer.x509.certificates import public_key
from issuer.x509.chains.bundle import read_leaf
from issuer.x509.request import read_request

REQUEST = RequestKey(NAMESPACE, "web")
SIGNING_REQUEST = RequestKey("", "web")


def policy(dns_names: Sequence[str], usages: Sequence[str]) -> Object:
    """Return a policy that allows these names for these usages, to everybody who may use it."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "CertificateRequestPolicy",
        "metadata": {"name": "contract"},
        "spec": {
            "selector": {"issuerRef": {}},
            "allowed": {"dnsNames": {"values": list(dns_names)}, "usages": list(usages)},
        },
    }


class _WrongSigner:
    """Signs another CSR than the one that was asked for."""

    def __init__(self, signer: Signer) -> None:
        self.check, self.close, self._signer = signer.check, signer.close, signer

    async def sign(self, request: SigningRequest) -> SignedCertificate:
        another = csr_pem(*_names(request.csr_pem))
        return await self._signer.sign(replace(request, csr_pem=another))


class _WrongConnector:
    def __init__(self, connector: Connector) -> None:
        self._connector = connector

    async def prepare(self, key: IssuerKey, spec: IssuerSpec) -> PreparedSigner:
        prepared = await self._connector.prepare(key, spec)
        return replace(prepared, build=lambda: _WrongSigner(prepared.build()))


class ControllerOf:
    """A controller's reconcilers over one backend, which they are handed one object at a time."""

    def __init__(self, opened_case: OpenedCase, *, wrong: bool = False) -> None:
        self.case, self.kube = opened_case.case, opened_case.kube
        options = ControllerOptions(
            namespace=CLUSTER_NAMESPACE,
            backends=Backends([self.case.backend]),
            backend_settings=self.case.settings,
        )
        self._components = Components(options, opened_case.client, Alone())
        opened_case.closing.push_async_callback(self._close)
        if wrong:
            signers = self._components.signers
            signers.connectors = {
                kind: _WrongConnector(connector) for kind, connector in signers.connectors.items()
            }
        self._components.state.namespaces.upsert({"metadata": {"name": NAMESPACE}})
        self.allow(self.case.dns_name)

    def allow(self, *dns_names: str) -> None:
        """Have the one policy allow these names."""
        resource = Resource(GROUP, VERSION, POLICY_PLURAL, namespaced=False)
        self._components.state.policies.upsert(self.kube.put(resource, policy(dns_names, self.case.usages)))

    async def check_issuer(self, kind: IssuerKind) -> Object:
        """Apply the case's issuer of that kind and have it checked; return its condition Ready."""
        obj = self.kube.put(kind.resource, self.case.issuer(kind))
        self._components.state.issuers[kind.kind].upsert(obj)
        return await self.check_again(kind)

    async def check_again(self, kind: IssuerKind) -> Object:
        """Have the issuer checked; return its condition Ready."""
        key = self.case.key(kind)
        await self._components.reconcilers.issuers.reconcile(key)
        return _ready(self.issuer_statuses(kind)[-1])

    def issuer_statuses(self, kind: IssuerKind) -> list[Object]:
        """Return each status of the issuer that was written."""
        key = self.case.key(kind)
        return self.kube.written(kind.resource, key.name, key.namespace or None)

    def apply(self, request: Object) -> None:
        """Create a request, and have the watch show it."""
        kind = CertificateRequest if request["kind"] == CertificateRequest.kind else KubernetesCSR
        self._components.state.requests[kind].upsert(self.kube.put(kind.resource, request))

    async def work(self, key: RequestKey = REQUEST) -> None:
        """Make one attempt at a request."""
        await self._components.reconcilers.requests.reconcile(key)

    def answers(self, key: RequestKey = REQUEST) -> list[Object]:
        """Return each status of the request that was written."""
        return self.kube.written(key.resource, key.name, key.namespace or None)

    async def _close(self) -> None:
        await self._components.delivery.close()
        await self._components.state.registry.close()


def _names(csr: str) -> tuple[str, ...]:
    return tuple(str(name.value) for name in read_request(csr.encode()).names)


def _ready(status: Object) -> Object:
    return dict(find(status.get("conditions"), "Ready") or {})


def _certificate(status: Object) -> str:
    return base64.b64decode(status["certificate"]).decode()


class ControllerContract:
    """Tests of issuers and requests in a controller that has the backend."""

    async def test_an_issuer_becomes_ready_and_its_status_fits_the_crd(self, opened_case: OpenedCase) -> None:
        controller = ControllerOf(opened_case)
        for kind in opened_case.kinds:
            ready = await controller.check_issuer(kind)
            assert ready["status"] == "True"
            assert ready["message"].startswith(_ready_message(opened_case.case))
            [status] = controller.issuer_statuses(kind)
            assert set(status) - {"conditions"} <= opened_case.case.backend.status_fields
            opened_case.check_shown(repr(status))
            await controller.check_again(kind)
            assert len(controller.issuer_statuses(kind)) == 1, "a check without news writes nothing"

    async def test_a_request_costs_one_signing_and_one_write(self, opened_case: OpenedCase) -> None:
        for kind in opened_case.kinds:
            controller, case = ControllerOf(opened_case), opened_case.case
            await controller.check_issuer(kind)
            signed, csr = case.signed(), case.csr()
            opened_case.kube.statuses.clear()
            controller.apply(case.certificate_request(kind, csr))
            await controller.work()
            await controller.work()
            [status] = controller.answers()
            assert _ready(status)["reason"] == "Issued"
            assert find(status["conditions"], "Approved") is not None
            assert public_key(read_leaf(_certificate(status))) == read_request(csr.encode()).public_key
            assert case.signed() == signed + 1

    async def test_a_write_that_is_refused_is_made_again_and_nothing_signed(
        self, opened_case: OpenedCase
    ) -> None:
        controller, case, kind = ControllerOf(opened_case), opened_case.case, opened_case.kinds[0]
        await controller.check_issuer(kind)
        signed = case.signed()
        controller.apply(case.certificate_request(kind))
        opened_case.kube.conflicts = 1
        await controller.work()
        await controller.work()
        assert opened_case.kube.conflicts == 0
        assert len(controller.answers()) == 1
        assert case.signed() == signed + 1

    async def test_a_request_that_policies_deny_never_reaches_the_ca(self, opened_case: OpenedCase) -> None:
        controller, case, kind = ControllerOf(opened_case), opened_case.case, opened_case.kinds[0]
        await controller.check_issuer(kind)
        controller.allow("another.example.test")
        signed = case.signed()
        controller.apply(case.certificate_request(kind))
        await controller.work()
        assert [_ready(status)["reason"] for status in controller.answers()] == ["Denied"]
        assert case.signed() == signed

    async def test_a_certificate_for_another_key_holds_the_issuer_back(self, opened_case: OpenedCase) -> None:
        controller, case, kind = ControllerOf(opened_case, wrong=True), opened_case.case, opened_case.kinds[0]
        await controller.check_issuer(kind)
        signed = case.signed()
        for request in (case.certificate_request(kind), case.signing_request(kind)):
            controller.apply(request)
        for key in (REQUEST, SIGNING_REQUEST, REQUEST):
            await controller.work(key)
        assert case.signed() == signed + 1, "it was signed again before anybody could look"
        status = controller.answers()[-1]
        assert (_ready(status)["reason"], status.get("certificate")) == ("Pending", None)
        assert controller.answers(SIGNING_REQUEST) == []
        ready = await controller.check_again(kind)
        assert (ready["status"], ready["reason"]) == ("False", "BadAnswer")

    async def test_a_csr_of_kubernetes_gets_its_certificate(self, opened_case: OpenedCase) -> None:
        for kind in opened_case.kinds:
            controller, case = ControllerOf(opened_case), opened_case.case
            await controller.check_issuer(kind)
            signed = case.signed()
            opened_case.kube.statuses.clear()
            controller.apply(case.signing_request(kind))
            await controller.work(SIGNING_REQUEST)
            [status] = controller.answers(SIGNING_REQUEST)
            assert read_leaf(_certificate(status))
            assert case.signed() == signed + 1

    async def test_a_request_that_the_ca_refuses_fails_with_its_reason(self, opened_case: OpenedCase) -> None:
        controller, case, kind = ControllerOf(opened_case), opened_case.case, opened_case.kinds[0]
        await controller.check_issuer(kind)
        opened_case.fail(Fault.REFUSES_REQUEST)
        refused = case.refused_csr or case.csr()
        controller.allow(*_names(refused))  # the CA is to refuse it, and no policy before
        controller.apply(case.certificate_request(kind, refused))
        await controller.work()
        ready = _ready(controller.answers()[-1])
        assert ready["reason"] == "Failed"
        assert any(f"{reason}:" in ready["message"] for reason in case.backend.reasons.failures)

    @pytest.mark.parametrize("fault", [Fault.UNREACHABLE, Fault.BUSY, Fault.REFUSES_ISSUER])
    async def test_a_request_waits_while_its_ca_can_not_sign(
        self, opened_case: OpenedCase, fault: Fault
    ) -> None:
        controller, case, kind = ControllerOf(opened_case), opened_case.case, opened_case.kinds[0]
        await controller.check_issuer(kind)
        opened_case.fail(fault)
        controller.apply(case.certificate_request(kind))
        await controller.work()
        assert _ready(controller.answers()[-1])["reason"] == "Pending"
        opened_case.check_shown(repr(controller.answers()))

    async def test_an_issuer_without_its_secret_is_not_ready(self, opened_case: OpenedCase) -> None:
        case, kind = opened_case.case, opened_case.kinds[0]
        names = case.backend.secrets(case.backend.parse(case.spec))
        if not names:
            pytest.skip("its issuers refer to no Secret")
        opened_case.kube.delete_secret(names[0], case.settings.home(case.key(kind).namespace))
        controller = ControllerOf(opened_case)
        ready = await controller.check_issuer(kind)
        assert (ready["status"], ready["reason"]) == ("False", "SecretNotFound")

    async def test_a_bad_spec_is_said_on_the_issuer(self, opened_case: OpenedCase) -> None:
        case, kind = opened_case.case, opened_case.kinds[0]
        bad = replace(case, spec=next(iter(case.bad_specs.values())))
        controller = ControllerOf(replace(opened_case, case=bad))
        ready = await controller.check_issuer(kind)
        assert (ready["status"], ready["reason"]) == ("False", "InvalidSpec")


def _ready_message(case: ContractCase) -> str:
    return case.backend.ready_message(case.backend.parse(case.spec))
