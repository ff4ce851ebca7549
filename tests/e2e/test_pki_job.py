"""The Job of the chart applies pki.yaml in a pod, with its ServiceAccount's token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from issuer.cli.main import app
from testbed.chart import RELEASE
from testbed.cluster import SYSTEM_NAMESPACE
from testbed.kube import Object, condition
from tests.e2e.cluster import Cluster

NAME = "e2e-job"
FILE = """\
foundation:
  mounts: {ROOT: {tune: {max_lease_ttl: 87600h}}}
  authorities: {ROOT-root: {mount: ROOT, existing: true}}
mounts:
  MOUNT:
    tune: {max_lease_ttl: 8760h}
    urls: {issuing_certificates: ["https://vault.example.com/v1/MOUNT/ca"]}
    defaultIssuer: issuing
    roles: {web: {allowed_domains: [example.com], allow_subdomains: true, max_ttl: 24h}}
authorities:
  issuing:
    {mount: MOUNT, signedBy: ROOT-root, subject: {commonName: Issuing}, lifetime: 8760h, maxPathLength: 0}
"""


@pytest.fixture
def file(cluster: Cluster, tmp_path: Path) -> Iterator[Path]:
    """A file below the tests' root; its Job may log in, with the rights that are printed for it."""
    vault, layout = cluster.vault, cluster.layout
    path = tmp_path / "pki.yaml"
    path.write_text(FILE.replace("ROOT", layout.root_mount).replace("MOUNT", f"{layout.mount}-job"))
    words = ["pki", "rights", "apply", "--part", "automation", "-f", str(path)]
    vault.call("PUT", f"sys/policies/acl/{NAME}", {"policy": CliRunner().invoke(app, words).stdout})
    role = {
        "bound_service_account_names": f"{RELEASE}-pki",
        "bound_service_account_namespaces": SYSTEM_NAMESPACE,
        "audience": "vault",
        "token_policies": NAME,
        "token_ttl": "10m",
    }
    vault.write(f"auth/{layout.mount}/role/{NAME}", role)
    try:
        yield path
    finally:
        vault.delete(f"sys/mounts/{layout.mount}-job")
        vault.delete(f"sys/policies/acl/{NAME}")
        cluster.uninstall()


def jobs(cluster: Cluster) -> list[Object]:
    """The Jobs that apply a file."""
    found = cluster.kube.list("batch/v1", "Job", SYSTEM_NAMESPACE)
    return [one for one in found if one["metadata"]["name"].startswith(f"{RELEASE}-pki-")]


def test_the_job_makes_what_its_file_says_once_for_each_file(cluster: Cluster, file: Path) -> None:
    mount = f"{cluster.layout.mount}-job"
    secret = {"name": "vault-ca", "namespace": SYSTEM_NAMESPACE}
    data = {"ca.crt": cluster.vault.ca_pem}
    cluster.kube.apply({"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": data})
    login = {"role": NAME, "mountPath": cluster.layout.mount}
    values = file.with_name("values.json")
    values.write_text(json.dumps({"pki": {"enabled": True, "server": cluster.vault.addr, "login": login}}))
    # No controller has to start: nobody asks for a certificate here.
    options = (f"--values={values}", f"--set-file=pki.file={file}", "--set=replicaCount=0", "--wait-for-jobs")
    cluster.release(*options)
    (job,) = jobs(cluster)
    assert (condition(job, "Complete") or {})["status"] == "True"
    assert len(cluster.vault.read(f"{mount}/issuer/issuing")["ca_chain"]) == 2
    file.write_text(file.read_text().replace("max_ttl: 24h", "max_ttl: 48h"))
    cluster.release(*options)
    (other,) = jobs(cluster)
    assert other["metadata"]["name"] != job["metadata"]["name"]
    assert cluster.vault.read(f"{mount}/roles/web")["max_ttl"] == 48 * 3600
