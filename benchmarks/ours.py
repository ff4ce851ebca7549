"""Our controller as a system that is measured, whatever its issuer."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.peers import CERTIFICATE_CONTROLLERS, running_cert_manager, start_cert_manager
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess


class OurController:
    """vault-issuer with a Lease, and these further arguments."""

    def __init__(self, args: Sequence[str] = ()) -> None:
        self._args = tuple(args)

    def start(self, bed: Testbed, *, certificates: bool = False) -> None:
        """Our controller, and cert-manager's beside it if Certificates are wanted."""
        self._beside = bed if certificates else None
        if certificates:
            start_cert_manager(bed, CERTIFICATE_CONTROLLERS)
        self._controller = ControllerProcess(bed, self._args, leader_elect=True)
        self._controller.start(wait=False)

    def stop(self, bed: Testbed) -> None:
        """Gracefully, so that its Lease is free."""
        self._controller.stop()
        if self._beside is not None:
            bed.cert_manager.process.stop()

    def processes(self) -> dict[str, int]:
        """Ours, and cert-manager's if it was started beside."""
        return {"vault-issuer": self._controller.pid, **running_cert_manager(self._beside)}
