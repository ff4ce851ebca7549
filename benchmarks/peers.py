"""The peers: cert-manager's own Vault issuer, alone and with approver-policy in front of it.

Neither is held back by limits of its client: both leave rate limiting to the API server (cert-manager where
it finds API Priority and Fairness, which is on by default; approver-policy always), and run with the workers
that they have by default: five in cert-manager, one in approver-policy unless told otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.given import bench_policy, cert_manager_issuer
from testbed import approverpolicy, certmanager
from testbed.certmanager import APPROVER, CONTROLLERS, OWN_ISSUER_CONTROLLERS
from testbed.cluster import Testbed
from testbed.samples import CERT_MANAGER_ACCOUNT, use_binding

APPROVER_POLICY_LEASE = (
    "coordination.k8s.io/v1",
    "Lease",
    "policy.cert-manager.io",
    approverpolicy.NAMESPACE,
)
CERTIFICATE_CONTROLLERS = tuple(name for name in CONTROLLERS if name != APPROVER)


def start_cert_manager(bed: Testbed, names: Sequence[str]) -> None:
    """Start cert-manager with these controllers and no other."""
    account = bed.service_account_kubeconfig(certmanager.NAMESPACE, certmanager.CONTROLLER_ACCOUNT)
    bed.cert_manager.start(account, names, "1h")


def running_cert_manager(bed: Testbed | None) -> dict[str, int]:
    """Its name and process id while it runs on a testbed, or nothing."""
    if bed is None:
        return {}
    process = bed.cert_manager.process
    return {"cert-manager": process.pid} if process.running else {}


class CertManager:
    """cert-manager's own Vault issuer; its approver approves everything."""

    uses_approver_policy = False

    def __init__(self, login: str) -> None:
        self.name = f"cert-manager-{login}"
        self.title = f"cert-manager's Vault issuer, {'AppRole' if login == 'approle' else 'static token'}"
        self.issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": f"bench-{login}"}
        self._login = login

    def prepare(self, bed: Testbed) -> None:
        """Login and ClusterIssuer."""
        bed.kube.apply(cert_manager_issuer(bed, self.issuer["name"], self._login))

    def start(self, bed: Testbed, *, certificates: bool = False) -> None:
        """The controllers that it needs, and no other."""
        self._bed = bed
        more = CERTIFICATE_CONTROLLERS if certificates else ()
        start_cert_manager(bed, (*more, APPROVER, *OWN_ISSUER_CONTROLLERS))

    def stop(self, bed: Testbed) -> None:
        """Stop them."""
        bed.cert_manager.process.stop()

    def processes(self) -> dict[str, int]:
        """cert-manager's one."""
        return running_cert_manager(self._bed)


class ApproverPolicy:
    """approver-policy in front of cert-manager's Vault issuer (AppRole); cert-manager's approver is off."""

    uses_approver_policy = True

    def __init__(self, workers: int) -> None:
        self.name = f"approver-policy-{workers}"
        self.title = (
            f"approver-policy, {workers} worker{'s' if workers > 1 else ''}, and cert-manager's Vault issuer"
        )
        self.issuer = {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": "bench-policy"}
        self._workers = workers

    def prepare(self, bed: Testbed) -> None:
        """Login, ClusterIssuer, and the policy in approver-policy's group."""
        bed.kube.apply(cert_manager_issuer(bed, "bench-policy", "approle"))
        group = approverpolicy.API_VERSION.partition("/")[0]
        made = bench_policy()
        made["apiVersion"] = approverpolicy.API_VERSION
        made["spec"]["selector"] = {"issuerRef": {"group": "cert-manager.io"}}
        role, binding = use_binding("bench", [CERT_MANAGER_ACCOUNT])
        role["rules"][0]["apiGroups"] = [group]
        role["metadata"]["name"] = binding["metadata"]["name"] = "use-bench-peer"
        binding["roleRef"]["name"] = "use-bench-peer"
        # The webhook that judges the policy is approver-policy's own, which the testbed has started.
        bed.kube.apply([made, role, binding])

    def start(self, bed: Testbed, *, certificates: bool = False) -> None:
        """Both processes at the same time."""
        self._bed = bed
        more = CERTIFICATE_CONTROLLERS if certificates else ()
        jobs: list[Callable[[], None]] = [
            lambda: self._start_policy(bed),
            lambda: start_cert_manager(bed, (*more, *OWN_ISSUER_CONTROLLERS)),
        ]
        with ThreadPoolExecutor(max_workers=2) as pool:
            for started_one in [pool.submit(job) for job in jobs]:
                started_one.result()

    def _start_policy(self, bed: Testbed) -> None:
        account = bed.service_account_kubeconfig(approverpolicy.NAMESPACE, approverpolicy.ACCOUNT)
        bed.approver_policy.start(account, workers=self._workers)

    def stop(self, bed: Testbed) -> None:
        """Stop both, and free approver-policy's Lease, which it may leave held."""
        bed.approver_policy.process.stop()
        bed.cert_manager.process.stop()
        bed.kube.delete("coordination.k8s.io/v1", "Lease", "policy.cert-manager.io", approverpolicy.NAMESPACE)

    def processes(self) -> dict[str, int]:
        """approver-policy's and cert-manager's."""
        return {"approver-policy": self._bed.approver_policy.process.pid, **running_cert_manager(self._bed)}
