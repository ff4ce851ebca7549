"""One real cluster for the whole session; each test gets a namespace of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

import pytest

from testbed.builds import OLDEST
from testbed.cluster import Options, Testbed
from testbed.forking import forked_commands
from testbed.labca import setup_pki
from testbed.samples import EVERYBODY, everything_policy, use_binding
from testbed.stepca import StepCA
from testbed.vaultpki import PkiLayout, setup_kubernetes_auth
from tests.integration.support.aws_services import AWSStandIn
from tests.integration.support.cas_under_test import CAUnderTest, OpenBaoUnderTest, StepCAUnderTest
from tests.integration.support.common import ADMISSION, CERT_MANAGER, REQUEST, delete_all
from tests.integration.support.scope import Scope

pytest.register_assert_rewrite("tests.integration.support.as_asked")  # its asserts tell what they compared

_numbers = count(1)
# Off by default in Kubernetes 1.36, and not v1beta1 in the oldest.
_BUNDLES = (
    "--feature-gates=ClusterTrustBundle=true,ClusterTrustBundleProjection=true",
    "--runtime-config=certificates.k8s.io/v1beta1/clustertrustbundles=true",
)


@pytest.fixture(autouse=True, scope="session")
def _forked_commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Some two hundred controllers and commands are started: what they import is imported once."""
    with forked_commands(tmp_path_factory.mktemp("forks") / "forkserver.log"):
        yield


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """The cluster with cert-manager, its webhook, our CRDs, and a policy that lets everybody have everything.

    Our controller approves; cert-manager's approver has no right to. The chart's optional admission policy is
    on, so that every test shows that it lets through what it should. Logs are in pytest's directory.
    """
    options = Options(
        approver=False,
        data_dir=tmp_path_factory.mktemp("testbed"),
        apiserver_flags=() if OLDEST else _BUNDLES,
    )
    with Testbed(options) as running:
        running.install_crds()
        running.kube.apply(ADMISSION)
        running.kube.apply([everything_policy(), *use_binding("everything", [EVERYBODY])])
        yield running


@pytest.fixture(scope="module")
def many_requests(bed: Testbed) -> Iterator[None]:
    """For a file whose tests make requests in hundreds: spare the API server what they need not cost.

    Meanwhile cert-manager's controllers don't run: its approver would try to approve each request, be
    refused, and try again. What is left at the end is removed: every controller that starts later would list
    it.
    """
    bed.cert_manager.process.stop()
    yield
    left = [one["metadata"] for one in bed.kube.list(CERT_MANAGER, REQUEST)]
    for namespace in {one["namespace"] for one in left} - {
        one["namespace"] for one in left if one.get("finalizers")
    }:
        delete_all(bed, CERT_MANAGER, REQUEST, namespace)
    bed.start_cert_manager()


@pytest.fixture(scope="session")
def layout(bed: Testbed) -> PkiLayout:
    """Root and intermediate CA, role and policy in the cluster's OpenBao, and its Kubernetes auth."""
    setup_kubernetes_auth(bed)
    return setup_pki(bed.vault)


@pytest.fixture(scope="session")
def step_ca(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StepCA]:
    """A real step-ca; who rotates or configures it leaves it as others find it, or makes one of their own."""
    made = StepCA(tmp_path_factory.mktemp("step-ca"))
    made.start()
    yield made
    made.close()


@pytest.fixture(scope="module", params=["openbao", "step-ca"])
def ca(bed: Testbed, request: pytest.FixtureRequest) -> CAUnderTest:
    """A CA of each backend in turn."""
    if request.param == "openbao":
        return OpenBaoUnderTest(bed, request.getfixturevalue("layout"))
    return StepCAUnderTest(bed, request.getfixturevalue("step_ca"))


@pytest.fixture(scope="module")
def aws(bed: Testbed) -> Iterator[AWSStandIn]:
    """The stand-in of AWS's services."""
    with AWSStandIn(bed) as one:
        yield one


@pytest.fixture
def namespace(bed: Testbed, request: pytest.FixtureRequest) -> str:
    """A namespace that no other test uses, named after the test."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_")).strip("-")
    return bed.create_namespace(f"{words[:50].strip('-')}-{next(_numbers)}")


@pytest.fixture(params=["cluster", "namespaced"])
def scope(bed: Testbed, namespace: str, request: pytest.FixtureRequest) -> Scope:
    """An issuer of each kind in turn."""
    made = Scope(bed, namespace, namespace, cluster=request.param == "cluster")
    made.grant()
    return made


@pytest.fixture
def cluster(bed: Testbed, namespace: str) -> Scope:
    """A cluster issuer."""
    return Scope(bed, namespace, namespace)
