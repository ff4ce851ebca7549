"""The files that `make release` wrote, alone: no clone is looked at. `make test-release` runs it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from testbed.chart import run_helm
from testbed.cluster import SYSTEM_NAMESPACE
from testbed.kube import condition, load
from testbed.node.released import ADDRESS
from tests.e2e.cluster import Cluster
from tests.integration.support.waiting import wait_until


@pytest.fixture(scope="module")
def dist(cluster: Cluster) -> Path:
    """The folder of the release."""
    if cluster.settings.dist is None:
        pytest.skip("the settings name no release: `make test-release` makes one")
    return cluster.settings.dist


@pytest.fixture(scope="module")
def command(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The command, from the wheel and its hashed requirements, in an environment without anything else."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--no-index", "--no-deps"]  # a node's namespaces have no network
    lock, wheels = str(dist / "vault-issuer.requirements.txt"), str(dist.parent / "wheels")
    subprocess.run([*pip, "--require-hashes", f"--find-links={wheels}", "-r", lock], check=True)
    (wheel,) = dist.glob("*.whl")
    subprocess.run([*pip, str(wheel)], check=True)
    return str(folder / "bin" / "vault-issuer")


@pytest.fixture(scope="module")
def applied(cluster: Cluster, dist: Path) -> Iterator[Cluster]:
    """What the manifests make, CRDs and namespace left in the end."""
    cluster.kubectl("apply", "--server-side", "-f", str(dist / "vault-issuer.yaml"))
    yield cluster
    for one in load(dist / "vault-issuer.yaml"):
        if one["kind"] not in ("Namespace", "CustomResourceDefinition"):
            meta = one["metadata"]
            cluster.kube.delete(one["apiVersion"], one["kind"], meta["name"], meta.get("namespace"))


def test_checksums_are_those_of_every_file(dist: Path) -> None:
    lines = [line.split("  ") for line in (dist / "SHA256SUMS").read_text().splitlines()]
    found = {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in dist.iterdir()}
    assert {name: digest for digest, name in lines} == {
        name: digest for name, digest in found.items() if name != "SHA256SUMS"
    }
    assert run_helm(["show", "chart", str(next(dist.glob("vault-issuer-*.tgz")))])


def labels(archive: Path) -> dict[str, str]:
    """The labels of the image in a file as `docker save` writes it."""
    with tarfile.open(archive) as files:

        def read(name: str) -> Any:
            file = files.extractfile(name)
            assert file is not None
            return json.load(file)

        (image,) = read("manifest.json")
        found: dict[str, str] = read(image["Config"])["config"]["Labels"]
        return found


def test_the_images_label_has_the_version_of_its_name(dist: Path) -> None:
    (archive,) = dist.glob("*.image.tar")
    version = labels(archive)["org.opencontainers.image.version"]
    assert archive.name == f"vault-issuer-{version}.image.tar"


def test_the_images_labels_say_what_it_is_of(dist: Path) -> None:
    (archive,) = dist.glob("*.image.tar")
    found = {name.removeprefix("org.opencontainers.image."): text for name, text in labels(archive).items()}
    assert re.fullmatch(r"[0-9a-f]{40}", found["revision"])
    assert found["source"] == ADDRESS
    assert found["base.name"] == "localhost/shell-less"
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", found["base.digest"])


def test_the_images_bill_of_materials_has_its_base(dist: Path) -> None:
    (archive,) = dist.glob("*.image.tar")
    with tarfile.open(archive) as files:
        manifest = files.extractfile("manifest.json")
        assert manifest is not None
        *_, layer = json.load(manifest)[0]["Layers"]
        with tarfile.open(fileobj=files.extractfile(layer)) as added:
            file = added.extractfile("app/vault-issuer.cdx.json")
            assert file is not None
            components = [one["purl"] for one in json.load(file)["components"]]
    (libc,) = [one for one in components if one.startswith("pkg:deb/debian/libc6@")]
    assert libc.endswith("distro=debian-12")
    assert any(one.startswith("pkg:pypi/cryptography@") for one in components)


def test_the_manifests_alone_make_a_controller_of_the_image_without_a_shell(applied: Cluster) -> None:
    def ready() -> bool:
        pods = applied.kube.list(
            "v1", "Pod", SYSTEM_NAMESPACE, labelSelector="app.kubernetes.io/component=controller"
        )
        return bool(pods) and all((condition(one, "Ready") or {}).get("status") == "True" for one in pods)

    wait_until(ready, lambda: applied.kubectl("get", "pods", "-A", "-o", "wide"))
    (pod, *_) = applied.kube.list("v1", "Pod", SYSTEM_NAMESPACE)
    words = ["exec", pod["metadata"]["name"], f"--namespace={SYSTEM_NAMESPACE}", "--"]
    assert "controller" in applied.kubectl(*words, "vault-issuer", "--help")
    with pytest.raises(Exception, match="sh"):
        applied.kubectl(*words, "sh", "-c", "true")


def test_the_wheels_command_tells_of_the_cluster(applied: Cluster, command: str) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": os.environ["TMPDIR"],
        "KUBECONFIG": str(applied.settings.kubeconfig),
    }
    done = subprocess.run([command, "status"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "issuer" in done.stdout.lower()
