"""``make demo``: the whole way of a certificate on real parts, and an outage survived.

Exit code 0 only if every step held. ``KEEP=1`` leaves everything running until Ctrl-C; ``SVG=FILE`` records
what the terminal shows, as the README does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from testbed.cache import cache_directory
from testbed.cluster import Options, Testbed
from testbed.controller import ControllerProcess
from testbed.delivered import Delivered
from testbed.errors import HTTPError, TestbedError
from testbed.labca import DEMO, KUBERNETES, LAB, LabCA, kubernetes_variables
from testbed.preflight import problems
from testbed.samples import (
    CERT_MANAGER_ACCOUNT,
    certificate,
    kubernetes_auth,
    policy,
    use_binding,
    vault_cluster_issuer,
)
from testbed.servers import Servers, builds_needed, find_servers
from testbed.story import WIDTH, Story
from testbed.vaultpki import DOMAIN, PkiLayout

NAMESPACE = "demo"
ISSUER = "demo"
POLICY = "lab-names"
USAGES = ["digital signature", "key encipherment", "server auth", "client auth"]
KIND = "VaultClusterIssuer"
OURS = "vault-issuer.io/v1alpha1"
CERT_MANAGER_API = "cert-manager.io/v1"
HOST = f"www.{DOMAIN}"


def main() -> int:
    """Run the demo; 0 if all of it held."""
    argparse.ArgumentParser(
        prog="make demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    recording = os.environ.get("SVG")
    story = Story(Console(highlight=False, record=True, width=WIDTH)) if recording else Story()
    wrong = problems()
    if wrong:
        story.say("This machine can't run the demo yet:")
        for one in wrong:
            story.say(f"  - {one}")
        return 1
    announce(story)
    try:
        servers = find_servers()
        with ExitStack() as stack:
            bed = start(story, servers, stack)
            run(story, bed)
            if recording:
                story.save(Path(recording))
            if os.environ.get("KEEP", "") not in ("", "0"):
                keep(story, bed)
    except (TestbedError, HTTPError) as error:
        story.say(f"\nThe demo failed: {error}")
        return 1
    except KeyboardInterrupt:
        story.say("\nStopped.")
        return 130
    return 0


def announce(story: Story) -> None:
    """Say what will happen, what it downloads and builds, and how long that takes."""
    story.chapter("vault-issuer: a certificate from Vault's PKI, on real parts")
    story.say("What happens now, on loopback only, stopped and removed at the end:")
    for line in (
        "1. etcd, kube-apiserver, cert-manager (controllers, approver, webhook) and OpenBao start",
        "2. OpenBao gets a root CA, an intermediate CA, a role, a policy and Kubernetes auth from one file",
        "3. the vault-issuer controller starts under a ServiceAccount with least privilege, and a policy",
        f"4. a Certificate for *.{DOMAIN} is issued into a Secret, verified to the root, and renewed",
        "5. a Certificate that the policy does not allow is denied, with the reason",
        "6. Vault is sealed; a request waits and says why; Vault is unsealed; it is issued",
    ):
        story.say(f"  {line}")
    needed = builds_needed()
    if not needed:
        story.say(f"The servers are in {shown(cache_directory())} already; this takes about half a minute.")
        return
    minutes = sum(one.minutes for one in needed)
    story.say(f"First, once on this machine, into {shown(cache_directory())} (and Go's caches):")
    for one in needed:
        story.say(
            f"  {one.name} {one.version}: {one.download_mb} MB to download, {one.disk_mb} MB of disk, "
            f"about {one.minutes} minutes to build on two cores"
        )
    story.say(f"So the first run takes about {minutes + 1} minutes; later ones half a minute.")


def shown(path: Path) -> str:
    """A path with the home directory as ``~``."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


def start(story: Story, servers: Servers, stack: ExitStack) -> Testbed:
    """Start the servers; they stop with ``stack``."""
    story.started = time.monotonic()
    story.chapter("A cluster and a Vault")
    with story.step("etcd, kube-apiserver, OpenBao and cert-manager run") as step:
        # cert-manager's approver gets no right for our issuers: the controller decides by policy.
        bed = stack.enter_context(Testbed(Options(approver=False), servers))
        for program in (servers.etcd, servers.kube_apiserver, servers.bao, servers.cert_manager):
            step.note(str(program))
    return bed


def run(story: Story, bed: Testbed) -> None:
    """All that follows; raises TestbedError at the first thing that does not hold."""
    layout = prepare_vault(story, bed)
    controller = start_controller(story, bed)
    story.chapter("A certificate")
    first = issue(story, bed, layout)
    renewed(story, bed, layout, first)
    story.chapter("A request that the policy does not allow")
    denied(story, bed)
    story.chapter("An outage")
    outage(story, bed, layout)
    close(story, bed, controller)


def prepare_vault(story: Story, bed: Testbed) -> PkiLayout:
    """What an administrator of Vault does once."""
    with story.step(
        "OpenBao has a root CA, an intermediate CA, a role, a policy, and a login for one ServiceAccount"
    ) as step:
        ca = LabCA(files=(LAB, DEMO, KUBERNETES), variables=kubernetes_variables(bed, ISSUER))
        step.note(f"$ {shlex.join(ca.command)}")
        step.note(ca.run_command(bed.vault))
        layout = ca.layout(bed.vault)
        step.note(f"vault.path is {layout.sign_path}; policy {layout.policy}")
    return layout


def start_controller(story: Story, bed: Testbed) -> ControllerProcess:
    """Install the custom resources and start the controller."""
    with story.step("The custom resources are installed: two kinds of issuers, and policies"):
        bed.install_crds()
    with story.step("The controller runs as system:serviceaccount:vault-issuer-system:vault-issuer"):
        controller = ControllerProcess(bed)
        controller.start()
    with story.step(f"{KIND} {ISSUER} is Ready") as step:
        bed.kube.apply(vault_cluster_issuer(bed, ISSUER, kubernetes_auth()))
        ready = bed.kube.wait(OURS, KIND, ISSUER)
        step.note(condition_text(ready))
        step.note(f"its CA is good until {ready['status']['caNotAfter']}")
    with story.step(
        f"CertificateRequestPolicy {POLICY} allows names below {DOMAIN}, to cert-manager alone"
    ) as step:
        bed.kube.apply([starter_policy(), *use_binding(POLICY, [CERT_MANAGER_ACCOUNT])])
        step.note(condition_text(bed.kube.wait(OURS, "CertificateRequestPolicy", POLICY)))
    return controller


def starter_policy() -> dict[str, Any]:
    """What the demo's Certificates may hold; what it does not name is denied."""
    allowed = {
        "dnsNames": {"values": [f"*.{DOMAIN}"]},
        "usages": USAGES,
    }
    constraints = {"maxDuration": "48h", "privateKey": {"algorithm": "ECDSA"}}
    return policy(POLICY, allowed, constraints=constraints)


def issue(story: Story, bed: Testbed, layout: PkiLayout) -> Delivered:
    """A Certificate becomes a Secret."""
    bed.create_namespace(NAMESPACE)
    with story.step(f"Certificate {NAMESPACE}/web (EC P-256, *.{DOMAIN}) became a Secret") as step:
        bed.kube.apply(certificate("web", NAMESPACE, ISSUER, (f"*.{DOMAIN}",), usages=USAGES))
        bed.kube.wait(CERT_MANAGER_API, "Certificate", "web", NAMESPACE)
        delivered = secret_of(bed, "web-tls")
        step.note(request_story(bed, "web-1"))
    with story.step(f"A client that trusts only the root accepts it for {HOST}"):
        delivered.verify(layout.root_pem, HOST)
    story.table("", delivered.rows())
    return delivered


def renewed(story: Story, bed: Testbed, layout: PkiLayout, first: Delivered) -> None:
    """The same Certificate, renewed as ``cmctl renew`` does it."""
    with story.step("A renewal was forced, and the Secret holds a new certificate") as step:
        renew(bed, "web")
        await_secret(bed, "web-tls", lambda now: now.serial != first.serial)
        second = secret_of(bed, "web-tls")
        second.verify(layout.root_pem, HOST)
        step.note(f"serial {second.serial}, verified to the same root")


def denied(story: Story, bed: Testbed) -> None:
    """A name the policy does not allow."""
    before = len(signed(bed))
    with story.step("A Certificate for www.example.com, for 90 days, is denied field by field") as step:
        bed.kube.apply(certificate("other", NAMESPACE, ISSUER, ("www.example.com",), duration="2160h"))
        name = "other-1"
        answer = bed.kube.wait(CERT_MANAGER_API, "CertificateRequest", name, NAMESPACE, until="Denied")
        step.note(condition_text(answer))
        if len(signed(bed)) != before:
            raise TestbedError("Vault signed it all the same")
    bed.kube.delete(CERT_MANAGER_API, "Certificate", "other", NAMESPACE)


def signed(bed: Testbed) -> list[dict[str, Any]]:
    """Vault's answers that hold a certificate, by its audit log."""
    answers = bed.vault.audited("pki_int/sign/lab")
    return [one for one in answers if (one["response"].get("data") or {}).get("certificate")]


def outage(story: Story, bed: Testbed, layout: PkiLayout) -> None:
    """Vault is sealed and comes back."""
    with story.step("Vault is sealed"):
        bed.vault.seal()
    with story.step("A new Certificate waits, and its request says why") as step:
        bed.kube.apply(certificate("shop", NAMESPACE, ISSUER, (f"shop.{DOMAIN}",), usages=USAGES))
        waiting = bed.kube.wait(CERT_MANAGER_API, "CertificateRequest", "shop-1", NAMESPACE, until=is_pending)
        step.note(condition_text(waiting))
    with story.step(f"{KIND} {ISSUER} says so too") as step:
        step.note(condition_text(bed.kube.wait(OURS, KIND, ISSUER, until="Ready=False")))
    with story.step("Vault is unsealed"):
        bed.vault.unseal()
    with story.step("The same request is issued; nothing had to be restarted or recreated") as step:
        bed.kube.wait(CERT_MANAGER_API, "Certificate", "shop", NAMESPACE, timeout=60)
        secret_of(bed, "shop-tls").verify(layout.root_pem, f"shop.{DOMAIN}")
        bed.kube.wait(OURS, KIND, ISSUER)
        step.note(request_story(bed, "shop-1"))


def close(story: Story, bed: Testbed, controller: ControllerProcess) -> None:
    """Totals, and what to try next."""
    usage = controller.usage()
    logins = [one for one in bed.vault.audited("auth/kubernetes/login") if not one.get("error")]
    story.chapter("All of it held")
    story.table(
        "",
        [
            ("steps", f"{story.steps} in {story.seconds:.1f} s"),
            (
                "certificates",
                f"{len(signed(bed))} signed, {len(logins)} login(s) to Vault (by its audit log)",
            ),
            (
                "controller",
                f"{usage.cpu_seconds:.1f} s CPU since start, {usage.rss_peak_mb:.0f} MB at its peak",
            ),
        ],
    )
    story.say(
        "\nNext: `KEEP=1 make demo` keeps it running to look around; `make up` keeps one in the background;"
    )
    story.say("`make test` runs every test on the same parts; docs/ says how to write issuers of your own.")


def keep(story: Story, bed: Testbed) -> None:
    """Leave everything running until Ctrl-C."""
    story.chapter("Still running; Ctrl-C stops and removes it")
    for line in (
        f"export KUBECONFIG={shlex.quote(str(bed.kubeconfig))}",
        f"export VAULT_ADDR={bed.vault.addr}",
        f"export VAULT_CACERT={shlex.quote(str(bed.vault.ca_file))}",
        f"export VAULT_TOKEN={bed.vault.token}",
        f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH",
        "kubectl get vaultclusterissuers,certificates,certificaterequests -A",
        f"kubectl -n {NAMESPACE} get secret web-tls -o jsonpath='{{.data.tls\\.crt}}' | base64 -d",
        "bao read pki_int/roles/lab",
    ):
        story.command(line)
    while True:
        time.sleep(3600)


def secret_of(bed: Testbed, name: str) -> Delivered:
    """The TLS Secret of that name, decoded."""
    return Delivered.from_secret(bed.kube.get("v1", "Secret", name, NAMESPACE))


def await_secret(bed: Testbed, name: str, holds: Callable[[Delivered], bool]) -> None:
    """Wait until the Secret's certificate is as asked."""
    bed.kube.wait(
        "v1", "Secret", name, NAMESPACE, until=lambda secret: holds(Delivered.from_secret(secret)), timeout=30
    )


def renew(bed: Testbed, name: str) -> None:
    """Ask cert-manager for a renewal, as ``cmctl renew`` does: the condition Issuing is set to True."""
    for _ in range(10):
        found = bed.kube.get(CERT_MANAGER_API, "Certificate", name, NAMESPACE)
        found["status"]["conditions"].append(
            {
                "type": "Issuing",
                "status": "True",
                "reason": "ManuallyTriggered",
                "message": "asked for by the demo",
                "lastTransitionTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )
        try:
            bed.kube.replace(found, "status")
        except HTTPError as error:
            if error.status != 409:  # cert-manager wrote at the same moment: read again
                raise
        else:
            return
    raise TestbedError(f"Certificate {NAMESPACE}/{name} kept changing")


def is_pending(request: dict[str, Any]) -> bool:
    """Whether a CertificateRequest says that it waits."""
    ready = ready_condition(request)
    return ready is not None and ready["reason"] == "Pending"


def ready_condition(obj: dict[str, Any]) -> dict[str, Any] | None:
    """The Ready condition, or None."""
    conditions = (obj.get("status") or {}).get("conditions") or []
    return next((one for one in conditions if one["type"] == "Ready"), None)


def condition_text(obj: dict[str, Any]) -> str:
    """The Ready condition as one line."""
    ready = ready_condition(obj)
    return (
        "no Ready condition"
        if ready is None
        else f"Ready={ready['status']}, {ready['reason']}: {ready['message']}"
    )


def request_story(bed: Testbed, name: str) -> str:
    """Who asked for it and what became of it."""
    request = bed.kube.get(CERT_MANAGER_API, "CertificateRequest", name, NAMESPACE)
    return f"{name}, asked for by {request['spec'].get('username', 'nobody')}: {condition_text(request)}"


if __name__ == "__main__":
    sys.exit(main())
