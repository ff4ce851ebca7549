"""What the controller watches, and what it waits for before it says that it is ready."""

from __future__ import annotations

from typing import cast

import pytest

from issuer.controller.leadership.ownership import Alone
from issuer.controller.process.options import ControllerOptions, WatchOptions
from issuer.controller.process.wiring import Components
from issuer.kube.client import KubeClient
from tests.unit.controller.fakes import ScriptedKube


@pytest.mark.parametrize("wanted", [True, False])
async def test_certificate_signing_requests_can_be_left_out_and_are_never_waited_for(wanted: bool) -> None:
    options = ControllerOptions(watch=WatchOptions(certificate_signing_requests=wanted))
    components = Components(options, cast(KubeClient, ScriptedKube()), Alone())
    assert ("CertificateSigningRequest" in components.watches.reflectors) is wanted
    assert "CertificateRequest" in components.watches.late()
    assert "CertificateSigningRequest" not in components.watches.late()


@pytest.mark.parametrize("wanted", [True, False])
async def test_certificates_can_be_left_out_and_are_never_waited_for(wanted: bool) -> None:
    options = ControllerOptions(watch=WatchOptions(certificates=wanted))
    components = Components(options, cast(KubeClient, ScriptedKube()), Alone())
    assert ("Certificate" in components.watches.reflectors) is wanted
    assert "Certificate" not in components.watches.late()
