"""The files that `make release` writes: the same bytes from a copy of the tree, read by Helm and kubectl."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from issuer import __version__
from testbed.builds import HELM, HELM_3, Build
from testbed.chart import CHART, KUBERNETES, ChartError, render, run_helm
from testbed.cluster import REPOSITORY
from testbed.kube import load
from tests.chart.conftest import the_deployment
from tests.signing.keys import GpgKeys
from tools.release import chart

REGISTRY = "registry.example.com:5000"
ADDRESS = "https://git.example.com/pki/vault-issuer"
HELMS = [HELM, HELM_3]
PACKAGE = f"vault-issuer-{__version__}.tgz"
LAYOUT = f"vault-issuer-{__version__}.oci.tar"


def release(tree: Path, output: Path, *more: str, umask: int = 0o022) -> Path:
    """Make the release of a tree."""
    words = [sys.executable, "-P", "-m", "tools.release", "--uncommitted", f"--output={output}"]
    environment = {**os.environ, "REPOSITORY_URL": ADDRESS, "PYTHONPATH": str(tree)}
    words += [f"--registry={REGISTRY}", *more]
    subprocess.run(words, cwd=tree, env=environment, umask=umask, check=True, capture_output=True)
    return output


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a release of this clone."""
    return release(REPOSITORY, tmp_path_factory.mktemp("release") / "dist")


def test_another_clone_at_another_time_gives_the_same_bytes(dist: Path, tmp_path: Path) -> None:
    tree = tmp_path / "clone"
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    for name in names.rstrip("\0").split("\0"):
        if (REPOSITORY / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, tree / name)
            (tree / name).chmod(0o664)
    again = release(tree, tmp_path / "dist", umask=0o002)
    assert {one.name: one.read_bytes() for one in again.iterdir()} == {
        one.name: one.read_bytes() for one in dist.iterdir()
    }


def test_wheel_and_sdist_name_their_source(dist: Path) -> None:
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        (name,) = (one for one in wheel.namelist() if one.endswith(".dist-info/METADATA"))
        assert f"Project-URL: Source, {ADDRESS}\n" in wheel.read(name).decode()
    with tarfile.open(next(dist.glob("vault_issuer-*.tar.gz"))) as sdist:
        file = sdist.extractfile(f"vault_issuer-{__version__}/PKG-INFO")
        assert file is not None
        assert f"Project-URL: Source, {ADDRESS}\n" in file.read().decode()


def test_the_checksums_are_of_every_file(dist: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True)
    named = {line.split("  ")[1] for line in (dist / "SHA256SUMS").read_text().splitlines()}
    assert named == {one.name for one in dist.iterdir()} - {"SHA256SUMS"}
    assert {PACKAGE, LAYOUT, "vault-issuer.yaml", "vault-issuer.crds.yaml", "vault-issuer.cdx.json"} < named
    lock = (REPOSITORY / "locks" / "runtime.txt").read_text(encoding="utf-8")
    assert (dist / "vault-issuer.requirements.txt").read_text(encoding="utf-8") == lock


@pytest.mark.parametrize("name", ["pki.schema.json", "pki-overlay.schema.json"])
def test_the_schemas_of_pki_yaml_are_those_of_the_reference(dist: Path, name: str) -> None:
    assert (dist / name).read_bytes() == (REPOSITORY / "docs" / "reference" / name).read_bytes()


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_helm_lint_has_no_remark(dist: Path, which: Build) -> None:
    for linted in (dist / PACKAGE, CHART):
        told = run_helm(["lint", "--strict", str(linted)], which)
        assert [line for line in told.splitlines() if line.startswith("[")] == []


def test_the_package_has_the_registry_and_links_that_lead_somewhere(dist: Path) -> None:
    spec = the_deployment(render({"image": {"registry": REGISTRY}}, chart=dist / PACKAGE))["spec"]
    told = run_helm(["template", "x", str(dist / PACKAGE), f"--kube-version={KUBERNETES}"])
    assert spec["template"]["spec"]["containers"][0]["image"] in told
    with tarfile.open(dist / PACKAGE) as package:
        members = {one.name: one for one in package.getmembers()}

        def text(name: str) -> str:
            file = package.extractfile(members[f"vault-issuer/{name}"])
            assert file is not None
            return file.read().decode()

        assert yaml.safe_load(text("Chart.yaml"))["home"] == ADDRESS
        links = re.findall(r"\]\(([^)]+)\)", text("README.md"))
        assert links
        assert [one for one in links if not one.startswith("https://")] == []
        assert f"{ADDRESS}/blob/v{__version__}/docs/runbooks" in text("values.yaml")
    for link in links:
        page = link.removeprefix(f"{ADDRESS}/blob/v{__version__}/").partition("#")[0]
        assert (REPOSITORY / page).is_file()


@contextmanager
def registry(layout: Path, repository: str) -> Iterator[str]:
    """The address of a server that serves an OCI layout as registries do (distribution-spec 1.1, pull)."""
    with tarfile.open(layout) as archive:
        files = {one.name: archive.extractfile(one) for one in archive.getmembers()}
        contents = {name: file.read() for name, file in files.items() if file}
    (tagged,) = json.loads(contents["index.json"])["manifests"]

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked = self.path.removeprefix(f"/v2/{repository}/").rpartition("/")[2]
            if asked == tagged["annotations"]["org.opencontainers.image.ref.name"]:
                asked = tagged["digest"]
            content = contents.get(f"blobs/{asked.replace(':', '/')}")
            self.send_response(404 if content is None and asked else 200)
            if content is not None:
                kind = tagged["mediaType"] if asked == tagged["digest"] else "application/octet-stream"
                self.send_header("Content-Type", kind)
                self.send_header("Docker-Content-Digest", asked)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET" and content:
                self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("which", HELMS, ids=lambda one: one.name)
def test_helm_pulls_the_layout_from_a_registry(dist: Path, which: Build, tmp_path: Path) -> None:
    with registry(dist / LAYOUT, "charts/vault-issuer") as address:
        words = [
            "pull",
            f"oci://{address}/charts/vault-issuer",
            f"--version={__version__}",
            "--plain-http",
            f"--destination={tmp_path}",
        ]
        run_helm(words, which)
    assert (tmp_path / PACKAGE).read_bytes() == (dist / PACKAGE).read_bytes()


def test_the_manifests_are_config_and_the_crds(dist: Path) -> None:
    whole = {(one["kind"], one["metadata"]["name"]) for one in load(dist / "vault-issuer.yaml")}
    crds = load(dist / "vault-issuer.crds.yaml")
    assert {("CustomResourceDefinition", one["metadata"]["name"]) for one in crds} < whole
    deployment = the_deployment(load(dist / "vault-issuer.yaml"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"{REGISTRY}/vault-issuer:{__version__}"


def test_the_bill_of_materials_has_the_locked_packages_alone(dist: Path) -> None:
    bill = json.loads((dist / "vault-issuer.cdx.json").read_text())
    assert bill["metadata"]["component"]["version"] == __version__
    assert {"aiohttp", "cryptography"} <= {one["name"] for one in bill["components"]}
    assert "pytest" not in {one["name"] for one in bill["components"]}


def test_a_signed_chart_is_verified_by_helm(tmp_path: Path) -> None:
    if shutil.which("gpg") is None:
        pytest.skip("there is no gpg")
    keys = GpgKeys.made(tmp_path)
    package, layout = chart(tmp_path, "", keys.signing().of_chart())
    assert keys.name in run_helm(["verify", f"--keyring={keys.public}", str(package)])
    with tarfile.open(layout) as archive:
        blobs = [one for one in archive.getnames() if one.startswith("blobs/")]
    assert len(blobs) == 4, "the signature goes to registries with the chart"
    keys.passphrase.write_text("another")
    with pytest.raises(ChartError, match=r"(?i)passphrase|checksum|decrypt"):
        chart(tmp_path, "", keys.signing().of_chart())


def test_one_version_everywhere() -> None:
    described = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (described["version"], described["appVersion"]) == (__version__, __version__)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "issuer.__version__"}
    named = re.findall(r"vault-issuer:(\d+\.\d+\.\d+)", (REPOSITORY / "docs" / "install.md").read_text())
    assert set(named) == {__version__}
    for name in ("Makefile", "Dockerfile", "tools/image.py"):
        assert __version__ not in (REPOSITORY / name).read_text()
