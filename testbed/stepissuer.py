"""The real step-issuer, the controller that step-ca's users move from, under its own ServiceAccount."""

from __future__ import annotations

from typing import Final

from testbed.builds import STEP_ISSUER, build
from testbed.cluster import OBJECTS, Testbed
from testbed.kube import load
from testbed.processes import Process

NAMESPACE: Final = "step-issuer"
ACCOUNT: Final = "step-issuer"
API_VERSION: Final = "certmanager.step.sm/v1beta1"
GROUP: Final = API_VERSION.partition("/")[0]
CLUSTER_KIND: Final = "StepClusterIssuer"
USER_AGENT: Final = "step-http-client"


class StepIssuer:
    """One process; it is built when it is asked for the first time. `start` applies its CRDs and rights."""

    def __init__(self, bed: Testbed) -> None:
        self._bed = bed
        self._program = build(STEP_ISSUER) / STEP_ISSUER.program
        self.process = Process("step-issuer", bed.directory / "step-issuer.log")
        bed.adopt(self.process)

    def install(self) -> None:
        """Apply its CRDs, its ServiceAccount and its rights."""
        bed, crds = self._bed, load(self._program.parent / "crds")
        bed.kube.apply([*crds, *load(OBJECTS / "step-issuer.yaml")])
        for one in crds:
            bed.kube.wait(one["apiVersion"], one["kind"], one["metadata"]["name"], until="Established")

    def start(self) -> None:
        """Start it (again). It tells nobody when it is ready: wait for an issuer, or a request."""
        kubeconfig = self._bed.service_account_kubeconfig(NAMESPACE, ACCOUNT)
        self.process.start([self._program, f"--kubeconfig={kubeconfig}", "--metrics-bind-address=0"])

    def stop(self) -> None:
        """End it as `kubectl scale --replicas=0` does: it finishes what it has in work."""
        self.process.stop(grace=30)
