"""kubelet and what a cluster runs beside it: controllers, scheduler, Services, and names for them."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

from testbed.cluster import Testbed
from testbed.node.namespaces import ADDRESS, PODS
from testbed.processes import LOOPBACK, Process

NODE = "node"
DOMAIN = "cluster.local"
_COREFILE = """\
.:53 {{
  bind {address}
  errors
  ready {loopback}:8181
  kubernetes {domain} {{
    kubeconfig {kubeconfig} testbed
  }}
}}
"""


class KubeNode:
    """The parts of Kubernetes that the plain testbed leaves out, all of one program of ours.

    They act as the administrator: what is tested is what runs in pods.
    """

    def __init__(self, program: Path, directory: Path, bed: Testbed) -> None:
        directory.mkdir(parents=True)
        self._program = program
        self._directory = directory
        self._bed = bed
        self._kubelet_flags: list[str] = []
        self.kubelet, self._controllers, self._scheduler, self._proxy, self._dns = (
            Process(name, directory / f"{name}.log")
            for name in ("kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy", "coredns")
        )
        for process in (self.kubelet, self._controllers, self._scheduler, self._proxy, self._dns):
            bed.adopt(process)

    def start(self, socket: Path, cgroup: str) -> None:
        """Start everything and wait until the node is Ready and names resolve.

        Args:
            socket: of the container runtime.
            cgroup: path of the cgroup that everything of the node goes below.
        """
        kubeconfig = f"--kubeconfig={self._bed.kubeconfig}"
        controllers = [
            f"--service-account-private-key-file={self._bed.apiserver.signing_key}",
            f"--root-ca-file={self._bed.ca_file}",
            "--node-monitor-grace-period=24s",  # a stopped kubelet is noticed in half of Kubernetes' time
        ]
        alone = "--leader-elect=false"
        self._start(self._controllers, kubeconfig, alone, f"--bind-address={LOOPBACK}", *controllers)
        self._start(self._scheduler, kubeconfig, alone, f"--bind-address={LOOPBACK}")
        proxy = self._file("proxy.yaml", _proxy_configuration(self._bed.kubeconfig))
        self._start(self._proxy, f"--config={proxy}", f"--hostname-override={NODE}")
        corefile = self._directory / "Corefile"
        corefile.write_text(
            _COREFILE.format(
                address=ADDRESS, loopback=LOOPBACK, domain=DOMAIN, kubeconfig=self._bed.kubeconfig
            )
        )
        self._start(self._dns, f"-conf={corefile}")
        settings = self._file("kubelet.yaml", _kubelet_configuration(socket, cgroup))
        self._kubelet_flags = [
            *(f"--config={settings}", kubeconfig, f"--hostname-override={NODE}", f"--node-ip={ADDRESS}"),
            f"--root-dir={self._directory / 'kubelet'}",
        ]
        self.start_kubelet()
        self._controllers.wait_ready(lambda: _answers("https", 10257, "/healthz"))
        self._proxy.wait_ready(lambda: _answers("http", 10256, "/healthz"))
        self._dns.wait_ready(lambda: _answers("http", 8181, "/ready"))

    def start_kubelet(self) -> None:
        """Start kubelet (again) and wait until its node is Ready."""
        self._start(self.kubelet, *self._kubelet_flags)
        self.kubelet.wait_ready(lambda: _answers("http", 10248, "/healthz"))
        self._bed.kube.wait("v1", "Node", NODE, timeout=120)

    def _start(self, process: Process, *flags: str) -> None:
        process.start([self._program, process.name, *flags])

    def _file(self, name: str, content: dict[str, Any]) -> Path:
        path = self._directory / name
        path.write_text(yaml.safe_dump(content))
        return path


def _kubelet_configuration(socket: Path, cgroup: str) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "containerRuntimeEndpoint": f"unix://{socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "cgroupsPerQOS": True,
        "enforceNodeAllocatable": ["pods"],
        "failCgroupV1": False,
        "failSwapOn": False,
        "clusterDNS": [ADDRESS],
        "clusterDomain": DOMAIN,
        # Only this network namespace reaches it.
        "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
        "authorization": {"mode": "AlwaysAllow"},
        # The disk is the machine's own: a full one isn't this node's to mend.
        "evictionHard": {"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "syncFrequency": "10s",
    }


def _proxy_configuration(kubeconfig: Path) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clusterCIDR": PODS,
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        # These are the whole machine's, and can't be set from here.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _answers(scheme: str, port: int, path: str) -> bool:
    blind = ssl.create_default_context()  # a health check on loopback, of a certificate nobody signed
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(
            f"{scheme}://{LOOPBACK}:{port}{path}", timeout=5, context=blind
        ) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
