"""step-issuer's own kinds, served in its place: its CRDs and objects as they are, on a real step-ca."""

from __future__ import annotations

import base64
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from issuer.controller.state.health.bad_answers import RETRY_ANNOTATION
from testbed.builds import STEP_ISSUER, crds_of
from testbed.cluster import REPOSITORY, SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.forking import run_command
from testbed.gitops import flux_health
from testbed.kube import Object, load
from testbed.samples import certificate
from testbed.stepca import StepCA
from testbed.vaultpki import DOMAIN
from tests.integration.support.common import (
    ADMISSION,
    CERT_MANAGER,
    REQUEST,
    only_policies,
    ready,
    request_object,
    set_condition,
    wait_answer,
    wait_issued,
    write_status,
)
from tests.integration.support.signing_requests import ask_approved, wait_signed
from tests.integration.support.step_issuer import API, GROUP, KIND, admission, their_objects
from tests.integration.support.waiting import wait_until

ADOPT = REPOSITORY / "config" / "adopt" / "rbac.yaml"
FLAGS = ["--adopt-step-issuer", "--issuer-check-period=1"]
REFERENCE = {"name": "step-ca", "kind": KIND, "group": GROUP}


@dataclass(frozen=True, slots=True)
class Adopted:
    """A controller that has adopted them."""

    bed: Testbed
    controller: ControllerProcess

    def ask(self, name: str, namespace: str, *, approve: bool = True) -> None:
        """Create a request for their issuer, and let an administrator approve it."""
        made = request_object(name, namespace, "step-ca", kind=KIND, duration="1h")
        made["spec"]["issuerRef"] = REFERENCE
        self.bed.kube.create(made)
        if approve:
            set_condition(self.bed, name, namespace, "Approved")

    def wait_ready(self, reason: str) -> Object:
        """Wait until the issuer's Ready has that reason; the issuer."""
        return self.bed.kube.wait(API, KIND, "step-ca", until=lambda obj: ready(obj).get("reason") == reason)


@pytest.fixture(scope="module")
def adopted(bed: Testbed, step_ca: StepCA) -> Iterator[Adopted]:
    crds = [one for file in sorted(crds_of(STEP_ISSUER).glob("*.yaml")) for one in load(file)]
    bed.kube.apply([*crds, *load(ADOPT), *admission(GROUP)])
    for one in crds:
        bed.kube.wait(one["apiVersion"], one["kind"], one["metadata"]["name"], until="Established")
    bed.kube.apply(their_objects(step_ca))
    with ControllerProcess(bed, FLAGS) as controller:
        made = Adopted(bed, controller)
        made.wait_ready("Ready")
        yield made
    for one in [*load(ADOPT), *crds]:
        bed.kube.delete(one["apiVersion"], one["kind"], one["metadata"]["name"])
    bed.kube.apply(ADMISSION)


@pytest.mark.parametrize("kind", [KIND, "StepIssuer"])
def test_our_kinds_have_the_fields_of_step_issuers_own_crds(kind: str) -> None:
    """Those of its release, as its repository has them; ours ask for no field more."""
    theirs = crd(crds_of(STEP_ISSUER), kind)["properties"]["spec"]
    ours = crd(REPOSITORY / "charts" / "vault-issuer" / "crds", kind)["properties"]["spec"]
    # Passwords in the controller's own variables and files are for issuers of the cluster alone.
    left_out = set() if kind == KIND else {"provisioner.passwordEnv", "provisioner.passwordFile"}
    assert set(narrower(theirs, ours)) == left_out


def crd(folder: Path, kind: str) -> dict[str, Any]:
    """The schema of a kind among the CRDs of a folder."""
    found = (one for file in sorted(folder.rglob("*step*.yaml")) for one in load(file))
    (made,) = [one for one in found if one["spec"]["names"]["kind"] == kind]
    return dict(made["spec"]["versions"][0]["schema"]["openAPIV3Schema"])


def narrower(theirs: dict[str, Any], ours: dict[str, Any], path: str = "") -> Iterator[str]:
    """The fields of a schema that another has not, has of another type, or requires where that does not."""
    for name, schema in theirs.get("properties", {}).items():
        where, found = f"{path}{name}", ours.get("properties", {}).get(name)
        if found is None or any(found.get(key) != schema.get(key) for key in ("type", "format")):
            yield where
            continue
        yield from narrower(schema, found, f"{where}.")
    yield from (
        f"{path}{name} is required"
        for name in ours.get("required", ())
        if name not in theirs.get("required", ())
    )


def test_a_certificate_that_names_step_issuers_kind_is_issued_as_it_stands(
    adopted: Adopted, namespace: str
) -> None:
    """Seed 004's canary: another approver goes first, and nothing of ours is named anywhere."""
    bed, name = adopted.bed, f"canary.{DOMAIN}"
    canary = certificate("canary", namespace, "step-ca", [name], kind=KIND, duration="2h", renewBefore="1h")
    canary["spec"]["issuerRef"] = REFERENCE
    bed.kube.apply(canary)
    asked = wait_for_request(bed, namespace)
    assert ready(asked).get("reason") != "Issued"
    set_condition(bed, asked["metadata"]["name"], namespace, "Approved")
    bed.kube.wait(CERT_MANAGER, "Certificate", "canary", namespace)
    data = bed.kube.get("v1", "Secret", "canary-tls", namespace)["data"]
    leaf, signer = x509.load_pem_x509_certificates(base64.b64decode(data["tls.crt"]))
    leaf.verify_directly_issued_by(signer)


def wait_for_request(bed: Testbed, namespace: str) -> Object:
    """The one request of a namespace, as soon as there is one."""
    [found] = wait_until(lambda: bed.kube.list(CERT_MANAGER, REQUEST, namespace), "a request")
    return dict(found)


def test_only_what_their_crd_has_is_written_and_only_once(adopted: Adopted, namespace: str) -> None:
    found = adopted.wait_ready("Ready")
    assert set(found["status"]) == {"conditions"}
    [condition] = found["status"]["conditions"]
    assert set(condition) == {"type", "status", "reason", "message", "lastTransitionTime"}
    # Each request is decided after a look at the issuer; its checks come each second meanwhile.
    for name in ("one", "two"):
        adopted.ask(name, namespace)
        wait_issued(adopted.bed, name, namespace)
    again = adopted.bed.kube.get(API, KIND, "step-ca")
    assert again["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]


def test_kubernetes_own_requests_are_signed_by_an_adopted_issuer(adopted: Adopted, namespace: str) -> None:
    """By the signer's name that cert-manager would give it, with the rights of config/adopt alone."""
    ask_approved(adopted.bed, adopted.bed.kube, namespace, f"stepclusterissuers.{GROUP}/step-ca")
    leaf, signer = wait_signed(adopted.bed, namespace)
    leaf.verify_directly_issued_by(signer)


def test_the_commands_show_the_issuer_and_its_requests(adopted: Adopted, namespace: str) -> None:
    """None of them is told of the adoption."""
    adopted.ask("seen", namespace)
    wait_issued(adopted.bed, "seen", namespace)
    name = f"{KIND}.{GROUP}"
    found = told(adopted.bed, "status", "-n", namespace)
    (issuer,) = [one for one in found["issuers"] if one["kind"] == name]
    assert (issuer["name"], issuer["ready"]) == ("step-ca", True)
    assert found["requests"][REQUEST]["Issued"] == 1
    target = (f"stepclusterissuers.{GROUP}/step-ca", f"--cluster-resource-namespace={SYSTEM_NAMESPACE}")
    explained = told(adopted.bed, "explain", *target)
    assert explained["live"]["ok"], explained["live"]
    assert {one["mark"] for one in explained["items"] if one["name"] in ("Token", "CA chain")} == {"ok"}
    assert name in json.dumps(told(adopted.bed, "inspect", "seen", "-n", namespace))
    done = run(adopted.bed, "ready", f"--issuer={name}/step-ca")
    assert done.returncode == 0, done.stdout + done.stderr


def run(bed: Testbed, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command says to an administrator of the cluster."""
    return run_command(*words, f"--kubeconfig={bed.kubeconfig}")


def told(bed: Testbed, *words: str) -> Any:
    """A command's answer as JSON."""
    done = run(bed, *words, "-o", "json")
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_flux_finds_the_issuer_healthy_by_a_check_without_expressions(adopted: Adopted) -> None:
    """Seed 004's layers wait for `certmanager.step.sm/v1beta1 StepClusterIssuer step-ca` in this way."""
    found = adopted.wait_ready("Ready")
    assert flux_health(found) == "Current"
    condition = {**found["status"]["conditions"][0], "status": "False"}
    assert flux_health({**found, "status": {"conditions": [condition]}}) == "InProgress"


def test_a_policy_that_selects_their_group_holds_beside_the_other_approver(
    adopted: Adopted, namespace: str
) -> None:
    with only_policies(adopted.bed, policy(namespace)):
        adopted.ask("denied", namespace)
        message = ready(wait_answer(adopted.bed, "denied", namespace, "Failed"))["message"]
    assert message.startswith("approved by somebody else, but no policy allows it")


def policy(name: str) -> Object:
    """A policy for their group that allows none of what is asked."""
    return {
        "apiVersion": "vault-issuer.io/v1alpha1",
        "kind": "CertificateRequestPolicy",
        "metadata": {"name": name},
        "spec": {
            "selector": {"issuerRef": {"group": GROUP}},
            "allowed": {"dnsNames": {"values": ["only.this"]}},
        },
    }


def test_another_controllers_answer_stops_the_issuer_until_it_is_tried_again(
    adopted: Adopted, namespace: str
) -> None:
    bed = adopted.bed
    adopted.ask("raced", namespace, approve=False)
    answer = {
        "type": "Ready",
        "status": "False",
        "reason": "Failed",
        "message": "failed by another",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    write_status(
        bed, "raced", namespace, lambda _: {"conditions": [answer], "failureTime": "2026-01-01T00:00:00Z"}
    )
    message = ready(adopted.wait_ready("TwoControllers"))["message"]
    assert f"answered the request {namespace}/raced" in message
    adopted.ask("held", namespace)
    assert "TwoControllers" in str(ready(wait_answer(bed, "held", namespace, "Pending")))
    issuer = bed.kube.get(API, KIND, "step-ca")
    issuer["metadata"].setdefault("annotations", {})[RETRY_ANNOTATION] = namespace
    bed.kube.replace(issuer)
    adopted.wait_ready("Ready")
    wait_issued(bed, "held", namespace)


@pytest.mark.parametrize("checking", [False, True])
def test_a_status_that_another_controller_writes_stops_the_issuer(
    adopted: Adopted, step_ca: StepCA, namespace: str, checking: bool
) -> None:
    """Before a request shows it: step-issuer writes `Verified` wherever that isn't there.

    A check that is under way doesn't write over it before somebody looked who it was.
    """
    bed, issuer = adopted.bed, adopted.wait_ready("Ready")
    verified = {**ready(issuer), "reason": "Verified", "message": "step is verified"}
    with waits_for_answers(step_ca) if checking else nullcontext():
        bed.kube.replace({**issuer, "status": {"conditions": [verified]}}, "status")
    assert "wrote the status of this issuer" in ready(adopted.wait_ready("TwoControllers"))["message"]
    issuer = bed.kube.get(API, KIND, "step-ca")
    issuer["metadata"].setdefault("annotations", {})[RETRY_ANNOTATION] = f"{namespace}-{checking}"
    bed.kube.replace(issuer)
    adopted.wait_ready("Ready")


@contextmanager
def waits_for_answers(ca: StepCA) -> Iterator[None]:
    """Freeze a CA long enough that a check, begun each second, waits for it."""
    ca.process.pause()
    try:
        time.sleep(1.5)
        yield
        time.sleep(0.3)  # the watch shows what was written before the check ends
    finally:
        ca.process.resume()


def test_it_does_not_start_beside_a_step_issuer(adopted: Adopted) -> None:
    bed = adopted.bed
    container = {"name": "manager", "image": "cr.example.com/smallstep/step-issuer:1.9.0"}
    labels = {"app": "step-issuer"}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "step-issuer", "namespace": SYSTEM_NAMESPACE},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    bed.kube.apply(deployment)
    beside = ControllerProcess(bed, FLAGS)
    try:
        beside.start(wait=False)
        wait_until(lambda: not beside.running, "it ends")
        assert beside.process.returncode == 2
        assert f"{SYSTEM_NAMESPACE}/step-issuer runs step-issuer" in beside.process.output()
    finally:
        beside.kill()
        bed.kube.delete("apps/v1", "Deployment", "step-issuer", SYSTEM_NAMESPACE)


def test_what_was_adopted_is_moved_to_our_kinds_and_back(
    adopted: Adopted, namespace: str, tmp_path: Path
) -> None:
    bed, name = adopted.bed, f"moved.{DOMAIN}"
    moving = certificate("moved", namespace, "step-ca", [name], kind=KIND, duration="2h", renewBefore="1h")
    moving["spec"]["issuerRef"] = REFERENCE
    bed.kube.apply(moving)
    set_condition(bed, wait_for_request(bed, namespace)["metadata"]["name"], namespace, "Approved")
    bed.kube.wait(CERT_MANAGER, "Certificate", "moved", namespace)
    folder = str(tmp_path / "moved")
    arguments = ["--namespace", namespace, "--apply", "--yes", "--output-dir", folder]
    done = run(bed, "migrate", "--from-cluster", *arguments)
    assert "changed: Certificate" in done.stdout, done.stdout + done.stderr
    bed.kube.wait("vault-issuer.io/v1alpha1", KIND, "step-ca")
    wait_until(lambda: issued_by(bed, namespace, "vault-issuer.io"), "issued by ours")
    bed.kubectl("replace", "-f", f"{folder}/undo.yaml")
    again = wait_until(
        lambda: [
            one
            for one in bed.kube.list(CERT_MANAGER, REQUEST, namespace)
            if one["spec"]["issuerRef"]["group"] == GROUP and "Approved" not in str(one.get("status"))
        ],
        "a request for step-issuer",
    )
    set_condition(bed, again[0]["metadata"]["name"], namespace, "Approved")
    wait_issued(bed, again[0]["metadata"]["name"], namespace)
    bed.kube.delete("vault-issuer.io/v1alpha1", KIND, "step-ca")


def issued_by(bed: Testbed, namespace: str, group: str) -> bool:
    """Whether a request for an issuer of that group has its certificate."""
    requests = bed.kube.list(CERT_MANAGER, REQUEST, namespace)
    return any(
        one["spec"]["issuerRef"]["group"] == group and ready(one).get("reason") == "Issued"
        for one in requests
    )
