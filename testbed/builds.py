"""The servers that have no wheel: built from Go modules once, and kept in the user's cache.

A build is named by its version and a hash of what goes in (go.mod, go.sum, the sources here and the flags),
so a change builds anew and a second clone of the project builds nothing.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from testbed.cache import cache_directory, cached, need_space
from testbed.errors import TestbedError
from testbed.gotool import Go, find_go
from testbed.progress import Progress

SOURCES = Path(__file__).with_name("go")
OLDEST = bool(os.environ.get("TESTBED_OLDEST"))
"""Whether the testbed is made of the oldest versions that the chart asks for (`make test-oldest`)."""


@dataclass(frozen=True, slots=True)
class Build:
    """One server to build.

    ``module`` gives the version (from go.mod); ``target`` is what go builds; ``crds`` names a folder of that
    module, which is copied beside the program. Sizes and minutes were measured cold on two cores: what is
    downloaded (compressed), what the disk takes while it is built, how long it takes.
    """

    name: str
    directory: str
    module: str
    target: str
    program: str
    download_mb: int
    disk_mb: int
    minutes: int
    crds: str = ""
    stamped: bool = False

    @property
    def sources(self) -> Path:
        """The Go module of this repository that is built."""
        return SOURCES / self.directory

    @property
    def version(self) -> str:
        """The version of ``module`` that go.mod requires, as ``v1.2.3``."""
        text = (self.sources / "go.mod").read_text()
        match = re.search(rf"^\s*(?:require )?{re.escape(self.module)} (v\S+)", text, re.MULTILINE)
        if match is None:
            raise TestbedError(f"{self.sources / 'go.mod'} doesn't require {self.module}")
        return match[1]

    @property
    def key(self) -> str:
        """Name of its directory in the cache."""
        digest = sha256()
        for file in sorted(self.sources.iterdir()):
            digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        digest.update("\0".join([*self.flags(), platform.system(), platform.machine()]).encode())
        return f"{self.name}-{self.version}-{digest.hexdigest()[:12]}"

    def flags(self) -> list[str]:
        """Flags of ``go build`` (and of ``go list``, so that both mean the same packages)."""
        linker = "-s -w"
        if self.stamped:  # without a version clients can't parse what /version says
            major, minor, _ = self.version.removeprefix("v").split(".", 2)
            values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
            stamps = (f"-X k8s.io/component-base/version.{key}={value}" for key, value in values.items())
            linker = " ".join([linker, *stamps])
        return ["-trimpath", "-ldflags", linker]

    @property
    def ready(self) -> bool:
        """Whether it is in the cache."""
        return (cache_directory() / self.key).is_dir()


KUBE_APISERVER_TODAY = Build(
    name="kube-apiserver",
    directory="kube-apiserver",
    module="k8s.io/kubernetes",
    target="k8s.io/kubernetes/cmd/kube-apiserver",
    program="kube-apiserver",
    download_mb=85,
    disk_mb=3500,
    minutes=8,
    stamped=True,
)
CERT_MANAGER_TODAY = Build(
    name="cert-manager",
    directory="cert-manager",
    module="github.com/cert-manager/cert-manager",
    target=".",
    program="cert-manager-testbed",
    download_mb=110,
    disk_mb=2000,
    minutes=4,
    crds="deploy/crds",
)
ETCD = Build(
    name="etcd",
    directory="etcd",
    module="go.etcd.io/etcd/server/v3",
    target=".",
    program="etcd",
    download_mb=15,
    disk_mb=400,
    minutes=1,
)
# After kube-apiserver, with which it shares most packages; cold it would take some five minutes.
KUBE_CONTROLLERS = Build(
    name="kube-controllers",
    directory="kube-controllers",
    module="k8s.io/kubernetes",
    target=".",
    program="kube-controllers-testbed",
    download_mb=5,
    disk_mb=1000,
    minutes=1,
)
APPROVER_POLICY = Build(
    name="approver-policy",
    directory="approver-policy",
    module="github.com/cert-manager/approver-policy",
    target="github.com/cert-manager/approver-policy/cmd",
    program="approver-policy",
    download_mb=55,
    disk_mb=1500,
    minutes=4,
    crds="deploy/crds",
)
# Shares most packages with kube-apiserver, too.
KUBE_NODE = Build(
    name="kube-node",
    directory="kube-node",
    module="k8s.io/kubernetes",
    target=".",
    program="kube-node",
    download_mb=30,
    disk_mb=1500,
    minutes=2,
    stamped=True,
)
# Helm's command, for the chart: the version of today, and the oldest major one that the chart is for.
HELM = Build(
    name="helm",
    directory="helm",
    module="helm.sh/helm/v4",
    target="helm.sh/helm/v4/cmd/helm",
    program="helm",
    download_mb=60,
    disk_mb=1200,
    minutes=3,
)
HELM_3_TODAY = Build(
    name="helm3",
    directory="helm3",
    module="helm.sh/helm/v3",
    target="helm.sh/helm/v3/cmd/helm",
    program="helm",
    download_mb=30,
    disk_mb=500,
    minutes=2,
)
# The oldest that the chart asks for: nothing of these is for today's Go, and all of it is built by it.
KUBE_APISERVER_OLDEST = replace(KUBE_APISERVER_TODAY, directory="kube-apiserver-oldest")
CERT_MANAGER_OLDEST = replace(CERT_MANAGER_TODAY, directory="cert-manager-oldest")
HELM_3_OLDEST = replace(HELM_3_TODAY, directory="helm3-oldest")
KUBE_APISERVER = KUBE_APISERVER_OLDEST if OLDEST else KUBE_APISERVER_TODAY
CERT_MANAGER = CERT_MANAGER_OLDEST if OLDEST else CERT_MANAGER_TODAY
HELM_3 = HELM_3_OLDEST if OLDEST else HELM_3_TODAY
# What Flux and Argo CD make of config/gitops, for its tests.
GITOPS = Build(
    name="gitops",
    directory="gitops",
    module="github.com/fluxcd/kustomize-controller/api",
    target=".",
    program="gitops",
    download_mb=50,
    disk_mb=1200,
    minutes=2,
)
# The CA that step-issuer's users run, with the little that the testbed needs of `step ca init`.
STEP_CA = Build(
    name="step-ca",
    directory="step-ca",
    module="github.com/smallstep/certificates",
    target=".",
    program="step-ca",
    download_mb=60,
    disk_mb=1200,
    minutes=3,
)
# The peer that step-ca's users move from: for benchmarks, and tests that ask for it.
STEP_ISSUER = Build(
    name="step-issuer",
    directory="step-issuer",
    module="github.com/smallstep/step-issuer",
    target="github.com/smallstep/step-issuer",
    program="step-issuer",
    download_mb=60,
    disk_mb=1500,
    minutes=4,
    crds="config/crd/bases",
)
# Its CRDs of monitors and rules, for what the chart makes of them (`crds_of`); nothing of it is built.
PROMETHEUS_OPERATOR = Build(
    name="prometheus-operator",
    directory="prometheus-operator",
    module="github.com/prometheus-operator/prometheus-operator",
    target="github.com/prometheus-operator/prometheus-operator/cmd/operator",
    program="operator",
    download_mb=4,
    disk_mb=30,
    minutes=0,
    crds="example/prometheus-operator-crd",
)
# Its CRD of Applications, for those in config/gitops.
ARGO_CD = Build(
    name="argo-cd",
    directory="argo-cd",
    module="github.com/argoproj/argo-cd/v3",
    target="github.com/argoproj/argo-cd/v3/cmd",
    program="argocd",
    download_mb=30,
    disk_mb=120,
    minutes=0,
    crds="manifests/crds",
)
# The peer of `vault-issuer agent`: for `make test-agent-soak` alone.
CONSUL_TEMPLATE = Build(
    name="consul-template",
    directory="consul-template",
    module="github.com/hashicorp/consul-template",
    target="github.com/hashicorp/consul-template",
    program="consul-template",
    download_mb=40,
    disk_mb=700,
    minutes=3,
)
# For `make test-signing` alone: what signs releases, and what puts images into a registry, with a registry.
COSIGN = Build(
    name="cosign",
    directory="cosign",
    module="github.com/sigstore/cosign/v3",
    target="github.com/sigstore/cosign/v3/cmd/cosign",
    program="cosign",
    download_mb=120,
    disk_mb=2500,
    minutes=6,
)
CRANE = Build(
    name="crane",
    directory="cosign",
    module="github.com/google/go-containerregistry",
    target="github.com/google/go-containerregistry/cmd/crane",
    program="crane",
    download_mb=5,
    disk_mb=300,
    minutes=1,
)
# What every testbed needs; the others are for a few tests, built when they ask for them.
BUILDS = (KUBE_APISERVER, ETCD, CERT_MANAGER)
# What the tests of CI need besides; approver-policy is for benchmarks and `make test-differential` alone.
TEST_BUILDS = (*BUILDS, KUBE_CONTROLLERS, KUBE_NODE, HELM, HELM_3, GITOPS, STEP_CA)


def build(which: Build, go: Go | None = None) -> Path:
    """The cached directory of a build, built now if need be, with progress on stderr.

    Raises:
        TestbedError: Go, the network, memory or disk are wanting, or the sources don't compile.
    """
    progress = Progress(f"{which.name} {which.version}")

    def fill(directory: Path) -> None:
        _compile(which, go or find_go(progress), directory, progress)

    return cached(which.key, fill, lambda: progress.say("another process is building it; waiting for it"))


def crds_of(which: Build, go: Go | None = None) -> Path:
    """Folder with the CRDs of a module, downloaded now if need be and not compiled.

    Raises:
        TestbedError: Go or the network are wanting, or the module's layout has changed.
    """
    progress = Progress(f"CRDs of {which.name} {which.version}")

    def fill(directory: Path) -> None:
        found = go or find_go(progress)
        found.lines(["mod", "download", which.module], which.sources, progress)
        [folder] = found.lines(["list", "-m", "-f", "{{.Dir}}", which.module], which.sources, progress)
        _copy_crds(Path(folder) / which.crds, directory / "crds")

    return cached(f"{which.key}-crds", fill) / "crds"


def _compile(which: Build, go: Go, directory: Path, progress: Progress) -> None:
    need_space(cache_directory(), 300, f"building {which.name}")
    flags = which.flags()
    progress.stage(f"Go {go.version}, modules downloaded")
    listed = go.lines(
        ["list", "-deps", *flags, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", which.target],
        which.sources,
        progress,
    )
    stale = sum(1 for line in listed if line)
    progress.stage("packages compiled" if stale > 1 else "linking")
    go.build([*flags, "-o", str(directory / which.program), which.target], which.sources, stale, progress)
    if which.crds:
        found = go.lines(["list", "-m", "-f", "{{.Dir}}", which.module], which.sources, progress)
        _copy_crds(Path(found[0]) / which.crds, directory / "crds")
    progress.finish(f"built in {cache_directory() / which.key}")


def _copy_crds(source: Path, target: Path) -> None:
    target.mkdir()
    files = sorted(source.glob("*.yaml"))
    if not files:
        raise TestbedError(f"{source} holds no CRDs: the module's layout has changed")
    for file in files:
        # Older ones of cert-manager's are templates of its chart, whose conditions and labels go.
        lines = [line for line in file.read_text().splitlines() if "{{" not in line]
        (target / file.name).write_text("\n".join([*lines, ""]))
