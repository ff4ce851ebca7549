"""Systems that sign by step-ca: ours, and the real step-issuer with cert-manager's approver; and their CA.

step-issuer runs as it does by default, with one worker. Both sign by the JWK provisioner of one step-ca. A
testbed gets it when the first of them is prepared there.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.given import bench_policy
from benchmarks.ours import OurController
from benchmarks.peers import CERTIFICATE_CONTROLLERS, running_cert_manager, start_cert_manager
from testbed import stepissuer
from testbed.certmanager import APPROVER
from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Object
from testbed.samples import CERT_MANAGER_ACCOUNT, GROUP, secret, use_binding
from testbed.stepca import PROVISIONER, StepCA
from testbed.stepissuer import StepIssuer

CLAIMS: Final = {"maxTLSCertDuration": "24h", "defaultTLSCertDuration": "24h"}
NAME: Final = "bench-step"
_running: dict[Path, StepCA] = {}


def step_ca(bed: Testbed) -> StepCA:
    """Return the step-ca of a testbed, started if need be."""
    if bed.directory not in _running:
        made = StepCA(bed.directory / "step-ca", claims=CLAIMS)
        made.start()
        _running[bed.directory] = made
    return _running[bed.directory]


def running_step_ca(bed: Testbed) -> StepCA | None:
    """Return the step-ca of a testbed, None where nothing has asked for one."""
    return _running.get(bed.directory)


def close_step_ca(bed: Testbed) -> None:
    """End the step-ca of a testbed, if there is one."""
    made = _running.pop(bed.directory, None)
    if made is not None:
        made.close()


class StepAudit:
    """Counts the certificates that a testbed's step-ca has signed since the last look, by its log."""

    def __init__(self, bed: Testbed) -> None:
        self._bed = bed
        self._seen = 0

    def look(self) -> int:
        """Return the number of certificates signed since the last call."""
        ca = running_step_ca(self._bed)
        signed = 0 if ca is None else _signed(ca.process.output())
        new, self._seen = signed - self._seen, signed
        return new


def _signed(log: str) -> int:
    return sum(1 for line in log.splitlines() if "/sign" in line and "status=201" in line)


def _issuer(bed: Testbed, api_version: str, namespace: str) -> list[Object]:
    """A StepClusterIssuer of that group, and the Secret with its password."""
    ca = step_ca(bed)
    reference = {"name": NAME, "key": "password", "namespace": namespace}
    provisioner = {"name": PROVISIONER, "kid": ca.kid, "passwordRef": reference}
    spec: dict[str, Any] = {"url": ca.url, "caBundle": ca.ca_bundle, "provisioner": provisioner}
    meta = {"name": NAME}
    issuer = {"apiVersion": api_version, "kind": "StepClusterIssuer", "metadata": meta, "spec": spec}
    return [secret(NAME, namespace, password=ca.password), issuer]


class OurStep(OurController):
    """vault-issuer with a StepClusterIssuer, as it ships: Policy mode, CEL, verification, Lease."""

    name = "vault-issuer-step"
    title = "vault-issuer on step-ca (policy with CEL, RBAC `use`, verification)"
    uses_approver_policy = False

    def __init__(self) -> None:
        super().__init__()
        self.issuer = {"group": GROUP, "kind": "StepClusterIssuer", "name": NAME}

    def prepare(self, bed: Testbed) -> None:
        """CRDs, policy, binding, issuer."""
        bed.install_crds()
        bed.kube.apply([bench_policy(), *use_binding("bench", [CERT_MANAGER_ACCOUNT])])
        bed.kube.apply(_issuer(bed, f"{GROUP}/v1alpha1", SYSTEM_NAMESPACE))


class StepIssuerPeer:
    """The real step-issuer behind cert-manager's approver, which approves everything."""

    name = "step-issuer"
    title = "step-issuer on step-ca, cert-manager's approver"
    uses_approver_policy = False

    def __init__(self) -> None:
        self.issuer = {"group": stepissuer.GROUP, "kind": stepissuer.CLUSTER_KIND, "name": NAME}

    def prepare(self, bed: Testbed) -> None:
        """CRDs, rights, the approver's right to approve for it, and the issuer."""
        self._step_issuer = StepIssuer(bed)
        self._step_issuer.install()
        bed.kube.apply(_may_approve())
        bed.kube.apply(_issuer(bed, stepissuer.API_VERSION, stepissuer.NAMESPACE))

    def start(self, bed: Testbed, *, certificates: bool = False) -> None:
        """Both processes at the same time."""
        self._bed = bed
        more = CERTIFICATE_CONTROLLERS if certificates else ()
        jobs: list[Callable[[], None]] = [
            self._step_issuer.start,
            lambda: start_cert_manager(bed, (*more, APPROVER)),
        ]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for begun in [pool.submit(job) for job in jobs]:
                begun.result()

    def stop(self, bed: Testbed) -> None:
        """Stop both."""
        self._step_issuer.stop()
        bed.cert_manager.process.stop()

    def processes(self) -> dict[str, int]:
        """step-issuer's and cert-manager's."""
        return {"step-issuer": self._step_issuer.process.pid, **running_cert_manager(self._bed)}


def _may_approve() -> list[Object]:
    """The right of cert-manager's approver to approve requests of step-issuer's kinds."""
    group, name = "rbac.authorization.k8s.io", "approve-step-issuer"
    rule = {
        "apiGroups": ["cert-manager.io"],
        "resources": ["signers"],
        "verbs": ["approve"],
        "resourceNames": [f"stepclusterissuers.{stepissuer.GROUP}/*"],
    }
    return [
        {"apiVersion": f"{group}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]},
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
            "subjects": [CERT_MANAGER_ACCOUNT],
        },
    ]
