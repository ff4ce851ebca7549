"""Seed 004's users, moved from step-issuer and approver-policy by both ways, and back, while all is renewed.

Not collected with the other tests: `make test-step-issuer`. step-issuer and approver-policy are real.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from testbed import approverpolicy, stepissuer
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Options, Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.errors import TestbedError
from testbed.forking import vault_issuer
from testbed.kube import Object, load
from testbed.samples import API_VERSION, EVERYBODY, GROUP, everything_policy, secret, use_binding
from testbed.stepca import StepCA
from testbed.stepissuer import StepIssuer
from tests.integration.support import seed_004
from tests.integration.support.cas_under_test import StepCAUnderTest
from tests.integration.support.certificate_load import CertificateLoad
from tests.integration.support.common import CERT_MANAGER
from tests.integration.support.renewal import settled
from tests.integration.test_migrate import paste

ADOPT = REPOSITORY / "config" / "adopt" / "rbac.yaml"
MORE, EACH = 6, 40
"""Certificates beside seed 004's two, and how many requests each part of the story has to serve."""
MANY_RENEWALS = "--renewal-loop-certificates=0"
"""Flag of a controller whose Certificates are renewed without a pause: it would hold their requests back."""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """A cluster whose requests approver-policy approves, without OpenBao."""
    options = Options(approver_policy=True, vault=False, data_dir=tmp_path_factory.mktemp("testbed"))
    with Testbed(options) as running:
        running.install_crds()
        with restarted(running):
            yield running


@pytest.fixture(scope="module")
def step_issuer(bed: Testbed, step_ca: StepCA) -> StepIssuer:
    """A step-issuer that serves seed 004's objects."""
    made = StepIssuer(bed)
    made.install()
    bed.kube.apply(seed_004.foundations(step_ca))
    bed.kube.apply(seed_004.issuers(step_ca))
    made.start()
    bed.kube.wait(stepissuer.API_VERSION, stepissuer.CLUSTER_KIND, seed_004.ISSUER)
    return made


@pytest.mark.slow
def test_seed_004_is_adopted_moved_and_given_back_while_all_is_renewed(
    bed: Testbed,
    step_issuer: StepIssuer,
    step_ca: StepCA,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    certificates = seed_004.certificates(MORE)
    bed.kube.apply(certificates)
    names = [one["metadata"]["name"] for one in certificates]
    for name in names:
        bed.kube.wait(CERT_MANAGER, "Certificate", name, seed_004.NAMESPACE, until=settled)
    with CertificateLoad(bed, seed_004.NAMESPACE, names) as load_:
        load_.wait_issued(EACH, stepissuer.GROUP)
        step_issuer.stop()
        adopt(bed, load_)
        step_issuer.start()
        load_.wait_issued(EACH, stepissuer.GROUP)
        with ControllerProcess(bed, [MANY_RENEWALS]):
            folder = move(bed, tmp_path)
            load_.wait_issued(EACH, GROUP)
            undo(bed, folder)
            load_.wait_issued(EACH, stepissuer.GROUP)
    assert load_.failures() == []
    # step-issuer itself signs one twice now and then, before it has seen its own answer.
    ours = step_ca.signed(but_for=stepissuer.USER_AGENT)
    assert load_.signed_again(ours) == []
    with capsys.disabled():
        print(
            f"\n  {load_.issued()} requests issued, {load_.issued(GROUP)} of them by our kinds, "
            "none failed, and ours signed none twice"
        )


def adopt(bed: Testbed, load_: CertificateLoad) -> None:
    """Serve step-issuer's kinds in its place, for a while."""
    bed.kube.apply(load(ADOPT))
    grant_issuer_access(bed, seed_004.CA_NAMESPACE, secrets=[seed_004.SECRET])
    flags = [MANY_RENEWALS, "--adopt-step-issuer", f"--cluster-resource-namespace={seed_004.CA_NAMESPACE}"]
    with ControllerProcess(bed, flags) as controller:
        load_.wait_issued(EACH, stepissuer.GROUP)
        assert controller.stop() == 0


def undo(bed: Testbed, folder: Path) -> None:
    """Run the way back, for each object again where it was written to between kubectl's read and write."""
    for before in load(folder / "undo.yaml"):
        for attempt in range(20):
            try:
                bed.kubectl("replace", "-f", "-", stdin=json.dumps(before))
            except TestbedError as error:
                if "Conflict" not in str(error) or attempt == 19:
                    raise
            else:
                break


@contextmanager
def restarted(bed: Testbed) -> Iterator[None]:
    """Start approver-policy again when it ends, as a kubelet does: it ends when it loses its Lease."""
    ended = threading.Event()

    def keep() -> None:
        while not ended.wait(1):
            if not bed.approver_policy.process.running:
                bed.approver_policy.start(
                    bed.service_account_kubeconfig(approverpolicy.NAMESPACE, approverpolicy.ACCOUNT)
                )
                bed.approver_policy.register_webhook(bed.kube)

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def move(bed: Testbed, tmp_path: Path) -> Path:
    """Move by the command what is served by our kinds then, and do by hand what it says is to do."""
    folder = tmp_path / "moved"
    words = [str(vault_issuer()), "migrate", "--from-cluster", f"--kubeconfig={bed.kubeconfig}"]
    planned = subprocess.run(words, capture_output=True, text=True, check=False)
    (copy,) = [
        line[line.index("kubectl ") :]
        for line in planned.stdout.splitlines()
        if f"-n {seed_004.CA_NAMESPACE}" in line
    ]
    paste(bed, copy)
    assert bed.kube.find("v1", "Secret", seed_004.SECRET, SYSTEM_NAMESPACE)
    done = subprocess.run(
        [*words, "--apply", "--yes", "--output-dir", str(folder)], capture_output=True, text=True, check=False
    )
    assert "changed: Certificate" in done.stdout, done.stdout + done.stderr
    bed.kube.wait(API_VERSION, stepissuer.CLUSTER_KIND, seed_004.ISSUER)
    return folder


SECONDS = float(os.environ.get("STEP_OUTAGE_SECONDS", "600"))
"""How long the CA is stopped, frozen and rotated again and again."""


@pytest.mark.slow
def test_no_request_fails_while_the_ca_is_stopped_frozen_and_rotated(
    bed: Testbed, step_issuer: StepIssuer, step_ca: StepCA, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten minutes, beside a step-issuer whose Certificates are renewed as fast over the same CA."""
    theirs = seed_004.certificates(2)
    ours = [moved_to(one, namespace) for one in theirs]
    names = [one["metadata"]["name"] for one in ours]
    bed.kube.apply([everything_policy(), *use_binding("everything", [EVERYBODY])])
    StepCAUnderTest(bed, step_ca).issuer(seed_004.ISSUER)
    with ControllerProcess(bed, [MANY_RENEWALS, "--issuer-check-period=2", "--vault-timeout=5"]):
        bed.kube.wait(API_VERSION, stepissuer.CLUSTER_KIND, seed_004.ISSUER)
        bed.kube.apply([*theirs, *ours])
        for one in (*theirs, *ours):
            meta = one["metadata"]
            bed.kube.wait(CERT_MANAGER, "Certificate", meta["name"], meta["namespace"], until=settled)
        with (
            CertificateLoad(bed, seed_004.NAMESPACE, names) as beside,
            CertificateLoad(bed, namespace, names) as load_,
        ):
            troubles = trouble(bed, step_ca, load_)
    signed, done = step_ca.signed(), [f"{what} {times} times" for what, times in troubles.items()]
    with capsys.disabled():
        print(f"\n  {SECONDS:.0f} s, in which step-ca was {', '.join(done)}")
        for whose, of in (("ours", load_), ("step-issuer's", beside)):
            again = len(of.signed_again(signed))
            print(f"  {whose}: {of.issued()} issued, {len(of.failures())} failed, {again} signed again")
    assert load_.failures() == []
    assert beside.failures(), "the outages were none for step-issuer, and say nothing of ours"


def moved_to(theirs: Object, namespace: str) -> Object:
    """The same Certificate for our issuer, in another namespace."""
    reference = {**seed_004.REFERENCE, "group": GROUP}
    meta = {"name": theirs["metadata"]["name"], "namespace": namespace}
    return {**theirs, "metadata": meta, "spec": {**theirs["spec"], "issuerRef": reference}}


def trouble(bed: Testbed, ca: StepCA, load_: CertificateLoad) -> Counter[str]:
    """Trouble the CA until the time is over, each time until requests are issued again; count how often."""

    def stopped() -> None:
        ca.stop()
        time.sleep(3)  # the outage itself
        ca.start()

    def frozen() -> None:
        ca.pause()
        time.sleep(8)  # longer than a call may take
        ca.resume()

    def password() -> None:
        ca.rotate_password(f"password {time.monotonic()}")
        time.sleep(2)  # until somebody has stored it
        bed.kube.apply(secret(f"{seed_004.ISSUER}-password", SYSTEM_NAMESPACE, password=ca.password))
        bed.kube.apply(secret(seed_004.SECRET, seed_004.CA_NAMESPACE, password=ca.password))

    acts: dict[str, Callable[[], None]] = {
        "stopped": stopped,
        "frozen": frozen,
        "given another password": password,
        "given another intermediate": lambda: ca.rotate_intermediate(f"CA {time.monotonic()}"),
    }
    done: Counter[str] = Counter()
    ends = time.monotonic() + SECONDS
    for what, act in itertools.cycle(acts.items()):
        if time.monotonic() > ends:
            return done
        act()
        done[what] += 1
        load_.wait_issued(5, GROUP)
    raise AssertionError("a cycle has no end")
