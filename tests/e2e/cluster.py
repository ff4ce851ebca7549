"""The cluster under test: its API server, its Vault, and the release of the chart."""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from issuer.api.group import GROUP
from testbed.administrator import administrator, kubectl
from testbed.chart import RELEASE, run_helm
from testbed.cluster import SYSTEM_NAMESPACE
from testbed.errors import HTTPError, TestbedError
from testbed.kube import Kube, Object
from testbed.labca import setup_pki
from testbed.samples import API_VERSION, EVERYBODY, policy, use_binding
from testbed.vaultclient import VaultClient
from testbed.vaultpki import (
    DOMAIN,
    FOR_SERVERS,
    KubernetesLogin,
    PkiLayout,
    review_tokens_at,
    setup_kubernetes_role,
)
from tests.e2e.settings import Settings
from tools.release import chart as packaged

ISSUER = "e2e"
NAMESPACE = "vault-issuer-e2e"  # of what users of the release have
_CRD = ("apiextensions.k8s.io/v1", "CustomResourceDefinition")
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@dataclass(frozen=True, slots=True)
class Cluster:
    """What tests do with it.

    Attributes:
        settings: what was told.
        chart: the package that `make release` writes.
        kube: the administrator's client.
        vault, layout, login: Vault, and the CA and the login made in it for these tests.
    """

    settings: Settings
    chart: Path
    kube: Kube
    vault: VaultClient
    layout: PkiLayout
    login: KubernetesLogin

    def helm(self, *arguments: str) -> str:
        """One command of Helm's, in the release's namespace."""
        return run_helm([*arguments, f"--namespace={SYSTEM_NAMESPACE}"], kubeconfig=self.settings.kubeconfig)

    def release(self, *options: str, chart: str | Path | None = None) -> str:
        """Install the chart, or upgrade to it, and wait until it is Ready."""
        with tempfile.NamedTemporaryFile("w", suffix=".json") as values:
            json.dump(self.settings.values, values)
            values.flush()
            words = ["upgrade", "--install", RELEASE, str(chart or self.chart), f"--values={values.name}"]
            # Without --reset-values Helm takes the last release's where it is given none.
            return self.helm(*words, "--reset-values", "--wait", "--timeout=3m", *options)

    def uninstall(self) -> None:
        """Uninstall the release, if it is there."""
        self.helm("uninstall", RELEASE, "--ignore-not-found", "--wait", "--timeout=3m")

    def crds(self) -> list[str]:
        """The names of our CRDs that are there."""
        return [one for one in names_of(self.kube.list(*_CRD)) if one.endswith(f".{GROUP}")]

    def kubectl(self, *arguments: str) -> str:
        """One command of kubectl's."""
        return kubectl(self.settings.kubeconfig, *arguments)

    def replicas(self) -> list[Object]:
        """The controller's pods that aren't being deleted."""
        selector = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=controller"
        found = self.kube.list("v1", "Pod", SYSTEM_NAMESPACE, labelSelector=selector)
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def holder(self) -> str:
        """Who holds the Lease: a pod's name and what tells its processes apart; empty when nobody does."""
        lease = self.kube.get("coordination.k8s.io/v1", "Lease", RELEASE, SYSTEM_NAMESPACE)
        return lease["spec"].get("holderIdentity") or ""

    def leader(self) -> str:
        """The name of the pod that works; empty when none does."""
        holder = self.holder()
        names = (one["metadata"]["name"] for one in self.replicas())
        return next((name for name in names if holder.startswith(name)), "")

    def signed(self) -> int:
        """How many certificates the CA has signed for these tests so far."""
        try:
            answer = self.vault.call("LIST", f"{self.layout.mount}/certs")
        except HTTPError as error:
            if error.status == 404:  # Vault's answer when there is none
                return 0
            raise
        return len(answer["data"]["keys"])

    def issuer(self) -> Object:
        """The issuer that all requests name: by Kubernetes login, over HTTPS."""
        kubernetes = {
            "role": self.login.role,
            "mountPath": self.login.mount_path,
            "serviceAccountRef": {"name": self.login.service_account},
        }
        vault = {
            "server": self.vault.addr,
            "path": self.layout.sign_path,
            "caBundle": self.vault.ca_bundle,
            "auth": {"kubernetes": kubernetes},
        }
        meta = {"name": ISSUER}
        return {
            "apiVersion": API_VERSION,
            "kind": "VaultClusterIssuer",
            "metadata": meta,
            "spec": {"vault": vault},
        }

    def furnish(self) -> None:
        """The issuer and the policy, once their CRDs are there; waits for both and for a leader.

        An uninstall takes the rights first, so a Lease may be left to a replica that is gone, and runs out.
        """
        names = [f"*.{DOMAIN}", f"*.{NAMESPACE}.svc"]
        allowed = {
            "dnsNames": {"values": names},
            "usages": ["digital signature", "key encipherment", "server auth"],
        }
        self.kube.apply([policy(ISSUER, allowed), *use_binding(ISSUER, [EVERYBODY]), self.issuer()])
        self.kube.wait(API_VERSION, "VaultClusterIssuer", ISSUER, timeout=60)
        self.kube.wait(API_VERSION, "CertificateRequestPolicy", ISSUER, timeout=60)
        deadline = time.monotonic() + 60
        while not self.leader():
            assert time.monotonic() < deadline, f"no replica leads; the Lease is {self.holder()!r}'s"
            time.sleep(0.2)


@contextlib.contextmanager
def prepared(settings: Settings) -> Iterator[Cluster]:
    """The cluster with namespaces, and a CA in its Vault; all of it is removed again."""
    vault = VaultClient(settings.vault_addr, settings.vault_token, settings.vault_ca)
    own = f"e2e-{secrets.token_hex(3)}"  # a Vault may have other mounts
    with administrator(settings.kubeconfig) as (kube, server, pem), contextlib.ExitStack() as stack:
        stack.callback(vault.disconnect)
        for path in (f"sys/mounts/{own}-root", f"sys/mounts/{own}", f"sys/auth/{own}"):
            stack.callback(vault.delete, path)
        layout = setup_pki(
            vault,
            root_mount=f"{own}-root",
            mount=own,
            role=own,
            domains=(DOMAIN, f"{NAMESPACE}.svc"),
            role_options=FOR_SERVERS,
        )
        review_tokens_at(vault, kube, server, pem, mount=own)
        # Its ServiceAccount is the one that the chart makes and lets the controller use.
        login = setup_kubernetes_role(vault, layout.policy, audience=f"vault://{ISSUER}", mount=own)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vault-issuer-dist-")))
        package = _released(settings.dist) if settings.dist else packaged(folder, registry="")[0]
        cluster = Cluster(settings, package, kube, vault, layout, login)
        if not settings.disposable:
            _refuse_what_is_in_use(cluster)
        for name in (SYSTEM_NAMESPACE, NAMESPACE):
            meta = {"name": name, "labels": RESTRICTED}
            kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        stack.callback(_remove, cluster)
        yield cluster


def _released(dist: Path) -> Path:
    (package,) = dist.glob("vault-issuer-*.tgz")
    return package


def _refuse_what_is_in_use(cluster: Cluster) -> None:
    """These tests upgrade, break and uninstall the release, and bring the CRDs to an older version."""
    there = [
        *cluster.crds(),
        *(["the release"] if RELEASE in cluster.helm("list", "--short").split() else []),
    ]
    if there:
        raise TestbedError(
            f"this cluster has {', '.join(there)} already, and the tests would take them away: "
            'use another one, or say "disposable": true in the settings'
        )


def _remove(cluster: Cluster) -> None:
    cluster.uninstall()
    for kind, names in (("VaultClusterIssuer", [ISSUER]), ("CertificateRequestPolicy", [ISSUER])):
        for name in names:
            with contextlib.suppress(HTTPError):
                cluster.kube.delete(API_VERSION, kind, name)
    for binding in use_binding(ISSUER, [EVERYBODY]):
        cluster.kube.delete(binding["apiVersion"], binding["kind"], binding["metadata"]["name"])
    cluster.kube.delete("v1", "Namespace", NAMESPACE)


def tag(image: str) -> str:
    """The option of Helm that sets an image's tag."""
    return f"--set=image.tag={image.rpartition(':')[2]}"


def names_of(items: Sequence[dict[str, Any]]) -> list[str]:
    """The names of objects."""
    return [str(one["metadata"]["name"]) for one in items]
