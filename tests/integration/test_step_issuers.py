"""StepIssuers and StepClusterIssuers on a real step-ca: issued, refused with the limit, rotated, seen."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import RBAC, grant_issuer_access
from testbed.forking import run_command
from testbed.kube import Object, load
from testbed.samples import API_VERSION, certificate, policy, secret
from testbed.stepca import PROVISIONER, StepCA
from testbed.vaultpki import DOMAIN
from tests.builders import csr_pem
from tests.ca import TestCA, pem
from tests.integration.support.common import (
    CERT_MANAGER,
    condition,
    only_policies,
    ready,
    wait_answer,
    wait_issued,
)
from tests.integration.support.sharding import value
from tests.integration.support.signing_requests import ask_approved, wait_signed
from tests.integration.support.step_issuers import (
    CLUSTER,
    DENIED,
    LIMITED,
    NAMESPACED,
    PASSWORD_FILE,
    PASSWORD_VARIABLE,
    SECRET,
    Issuers,
    TroubledServer,
    step_issuers,
)
from tests.integration.support.step_tokens import decrypted_key
from tests.integration.support.trust import TRUSTED
from tests.integration.support.waiting import wait_until
from tests.unit.step.fake import jwk


@pytest.fixture(scope="module")
def issuers(bed: Testbed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuers]:
    """Issuers on a CA of their own, as it is rotated."""
    ca = StepCA(tmp_path_factory.mktemp("step-ca"), crl=True)
    with step_issuers(bed, ca, tmp_path_factory.mktemp("passwords")) as made:
        yield made


def leaf_of(found: Object) -> x509.Certificate:
    return x509.load_pem_x509_certificates(base64.b64decode(found["status"]["certificate"]))[0]


def test_a_certificate_comes_with_the_chain_and_the_root(issuers: Issuers, namespace: str) -> None:
    bed = issuers.bed
    bed.kube.apply(certificate("web", namespace, "step", [f"web.{DOMAIN}"], kind=CLUSTER))
    bed.kube.wait(CERT_MANAGER, "Certificate", "web", namespace)
    data = bed.kube.get("v1", "Secret", "web-tls", namespace)["data"]
    chain = x509.load_pem_x509_certificates(base64.b64decode(data["tls.crt"]))
    [root] = x509.load_pem_x509_certificates(base64.b64decode(data["ca.crt"]))
    assert len(chain) == 2
    chain[0].verify_directly_issued_by(chain[1])
    chain[1].verify_directly_issued_by(root)
    assert root == x509.load_pem_x509_certificate(issuers.ca.root_pem.encode())
    status = issuers.wait_ready("step")["status"]
    assert status["caSubject"]
    assert any("line end" in warning for warning in status["warnings"])


def test_its_roots_are_distributed(issuers: Issuers, namespace: str) -> None:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]}
    wanted = {"name": TRUSTED, "namespaceSelector": {"matchExpressions": [expression]}}
    issuers.apply(namespace, trust={"configMap": wanted})
    found = issuers.bed.kube.wait("v1", "ConfigMap", TRUSTED, namespace, until=lambda one: bool(one["data"]))
    assert found["data"]["ca.crt"].strip() == issuers.ca.root_pem.strip()
    issuers.bed.kube.delete(API_VERSION, CLUSTER, namespace)


@pytest.mark.parametrize("bundle", ["der", "none"])
def test_the_ca_is_trusted_by_der_and_by_what_the_system_trusts(
    issuers: Issuers, namespace: str, bundle: str
) -> None:
    root = x509.load_pem_x509_certificate(issuers.ca.root_pem.encode())
    der = base64.b64encode(root.public_bytes(Encoding.DER)).decode()
    issuers.apply(namespace, caBundle=der if bundle == "der" else None)
    issuers.wait_ready(namespace)
    issuers.request("one", namespace, namespace, duration="1h")
    wait_issued(issuers.bed, "one", namespace)


@pytest.mark.parametrize("source", ["variable", "file", "local key", "local key without a password"])
def test_key_and_password_may_come_from_elsewhere(issuers: Issuers, namespace: str, source: str) -> None:
    """A variable or file of the controller that is listed; a key that the CA need not keep."""
    ca = issuers.ca
    private = decrypted_key(ca.encrypted_key, ca.password)
    issuers.bed.kube.apply(secret(namespace, SYSTEM_NAMESPACE, jwe=ca.encrypted_key, jwk=json.dumps(private)))
    changed: dict[str, dict[str, Any]] = {
        "variable": {"passwordRef": None, "passwordEnv": PASSWORD_VARIABLE},
        "file": {"passwordRef": None, "passwordFile": str(issuers.folder / PASSWORD_FILE)},
        "local key": {"keyRef": {"name": namespace, "key": "jwe"}},
        "local key without a password": {"passwordRef": None, "keyRef": {"name": namespace, "key": "jwk"}},
    }
    issuers.apply(namespace, provisioner=issuers.provisioner(**changed[source]))
    issuers.wait_ready(namespace)


def test_an_anchor_has_to_be_above_what_the_ca_names(issuers: Issuers, namespace: str) -> None:
    """`spec.trustedCA` by fingerprint, then in a Secret that is changed while the issuer is Ready."""
    bed, root = issuers.bed, x509.load_pem_x509_certificate(issuers.ca.root_pem.encode())
    issuers.apply(namespace, trustedCA={"sha256": ["00" * 32]})
    assert root.fingerprint(hashes.SHA256()).hex() in issuers.wait_reason(namespace, "CANotTrusted")
    bed.kube.apply(secret(f"{namespace}-anchor", SYSTEM_NAMESPACE, **{"ca.crt": issuers.ca.root_pem}))
    issuers.apply(namespace, trustedCA={"secretRef": {"name": f"{namespace}-anchor"}})
    issuers.wait_ready(namespace)
    issuers.request("one", namespace, namespace, duration="1h")
    found = wait_issued(bed, "one", namespace)
    assert base64.b64decode(found["status"]["ca"]).decode().strip() == issuers.ca.root_pem.strip()
    another = pem(TestCA.make(datetime.now(UTC)).root)
    bed.kube.apply(secret(f"{namespace}-anchor", SYSTEM_NAMESPACE, **{"ca.crt": another}))
    issuers.wait_reason(namespace, "CANotTrusted")


def test_a_rate_limit_holds_calls_back_and_fails_none(issuers: Issuers, namespace: str) -> None:
    issuers.apply(namespace, rateLimit={"perSecond": 2, "burst": 1})
    issuers.wait_ready(namespace)
    before = len(issuers.ca.signed())
    for number in range(6):
        issuers.request(f"r{number}", namespace, namespace, duration="1h")
    for number in range(6):
        wait_issued(issuers.bed, f"r{number}", namespace)
    assert len(issuers.ca.signed()) == before + 6
    labels = f'kind="{CLUSTER}",name="{namespace}",namespace="",reason="rate"'
    assert value(issuers.controller, f"vault_issuer_throttled_seconds_total{{{labels}}}") > 0


def test_an_issuer_of_a_namespace_signs_for_it(issuers: Issuers, namespace: str) -> None:
    grant_issuer_access(issuers.bed, namespace, secrets=[SECRET])
    issuers.store(namespace)
    issuers.apply("own", namespace)
    issuers.wait_ready("own", namespace)
    issuers.request("one", namespace, "own", NAMESPACED, duration="1h")
    wait_issued(issuers.bed, "one", namespace)


def test_what_the_default_template_drops_is_told_or_refused(issuers: Issuers, namespace: str) -> None:
    """The subject of seed 004's test certificate: its organization does not come back."""
    bed = issuers.bed
    subject = {"subject": {"organizations": ["Goldentooth"]}, "commonName": f"test.{DOMAIN}"}
    bed.kube.apply(certificate("test", namespace, "step", [f"test.{DOMAIN}"], kind=CLUSTER, **subject))
    bed.kube.wait(CERT_MANAGER, "Certificate", "test", namespace)
    [issued] = bed.kube.list(CERT_MANAGER, "CertificateRequest", namespace)
    assert "O=Goldentooth" in ready(issued)["message"]
    issuers.apply("strict", verification="Strict")
    issuers.wait_ready("strict")
    issuers.request("strict", namespace, "strict", duration="1h")
    found = wait_answer(bed, "strict", namespace, "Failed")
    assert "default template" in ready(found)["message"]


def test_too_long_a_life_fails_with_the_limit_or_is_shortened(issuers: Issuers, namespace: str) -> None:
    bed = issuers.bed
    issuers.request("long", namespace, "step", duration="2160h")
    assert "at most 24h0m0s" in ready(wait_answer(bed, "long", namespace, "Failed"))["message"]
    issuers.apply("shorter", duration="Shorten")
    issuers.wait_ready("shorter")
    issuers.request("short", namespace, "shorter", duration="2160h")
    leaf = leaf_of(wait_issued(bed, "short", namespace))
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    assert 23 * 3600 < life.total_seconds() <= 24 * 3600 + 120
    issuers.request("default", namespace, "step", duration=None)
    wait_issued(bed, "default", namespace)


def test_a_life_outside_the_claims_is_refused_before_anything_is_sent(
    issuers: Issuers, namespace: str
) -> None:
    """By the claims of a provisioner, which step-ca itself lists."""
    issuers.apply(namespace, provisioner=issuers.provisioner(name=LIMITED))
    bounds = "at least 10m0s, at most 2h0m0s, 1h0m0s where none is asked for"
    assert bounds in ready(issuers.wait_ready(namespace))["message"]
    calls = issuers.ca.process.output().count("path=/1.0/sign ")
    assert calls, "the check of the token is one"
    for name, duration, limit in (("long", "3h", "2h0m0s"), ("short", "5m", "10m0s")):
        issuers.request(name, namespace, namespace, duration=duration)
        message = ready(wait_answer(issuers.bed, name, namespace, "Failed"))["message"]
        assert "DurationNotAllowed" in message
        assert limit in message
    assert issuers.ca.process.output().count("path=/1.0/sign ") == calls
    issuers.bed.kube.delete(API_VERSION, CLUSTER, namespace)


def test_who_names_no_duration_gets_the_cas_usual_life_not_its_longest(
    issuers: Issuers, namespace: str
) -> None:
    """The provisioner tells a longest life of its own; only the CA knows that a day is usual."""
    issuers.ca.set_claims(maxTLSCertDuration="240h")
    try:
        issuers.apply("longer")
        assert "at most 240h0m0s" in ready(issuers.wait_ready("longer"))["message"]
        refused = issuers.ca.process.output().count("status=403")
        issuers.request("beyond", namespace, "longer", duration="241h")
        assert "240h0m0s" in ready(wait_answer(issuers.bed, "beyond", namespace, "Failed"))["message"]
        assert issuers.ca.process.output().count("status=403") == refused, "it was sent"
        issuers.request("usual", namespace, "longer", duration=None)
        leaf = leaf_of(wait_issued(issuers.bed, "usual", namespace))
    finally:
        issuers.ca.set_claims()
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(hours=24, minutes=2)
    issuers.wait_ready("step")


def test_a_life_that_would_be_renewed_at_once_is_not_signed(issuers: Issuers, namespace: str) -> None:
    """A Certificate of 90 days that is renewed a day before its end, from a CA that gives a day."""
    bed = issuers.bed
    issuers.apply("shortest", duration="Shorten")
    issuers.wait_ready("shortest")
    lives = {"duration": "2160h", "renewBefore": "23h55m"}
    bed.kube.apply(certificate("loop", namespace, "shortest", [f"loop.{DOMAIN}"], kind=CLUSTER, **lives))
    bed.kube.wait(
        CERT_MANAGER,
        "Certificate",
        "loop",
        namespace,
        until=lambda obj: "TooShortToRenew" in condition(obj, "Issuing").get("message", ""),
    )


def test_what_step_ca_refuses_fails_with_its_words(issuers: Issuers, namespace: str) -> None:
    issuers.request("denied", namespace, "step", duration="1h", csr=csr_pem(DENIED))
    message = ready(wait_answer(issuers.bed, "denied", namespace, "Failed"))["message"]
    assert "RefusedByStepCA" in message
    assert DENIED in message


def test_a_common_name_alone_is_judged_as_the_name_that_step_ca_makes_of_it(
    issuers: Issuers, namespace: str
) -> None:
    """By a policy as seed 004's: any common name, DNS names of one domain."""
    bed, good = issuers.bed, f"web.{DOMAIN}"
    others = ["www.bank.example", "192.168.1.1", "spiffe://prod/x", "root@bank.example"]
    with only_policies(bed, any_common_name(namespace)):
        for number, name in enumerate([good, *others]):
            issuers.request(f"r{number}", namespace, "step", duration="1h", csr=called(name))
        leaf = leaf_of(wait_issued(bed, "r0", namespace))
        for number, name in enumerate(others, start=1):
            assert name in ready(wait_answer(bed, f"r{number}", namespace, "Denied"))["message"]
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [good]


def called(name: str) -> bytes:
    """A CSR with a common name and no alternative name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder(subject).sign(key, hashes.SHA256())
    return made.public_bytes(Encoding.PEM)


def any_common_name(name: str) -> Object:
    """A policy that allows any common name, and DNS names of the testbed's domain."""
    allowed = {
        "commonName": {"value": "*"},
        "dnsNames": {"values": [f"*.{DOMAIN}"]},
        "ipAddresses": {"values": ["10.*"]},
        "usages": ["digital signature", "key encipherment", "server auth", "client auth"],
    }
    return policy(name, allowed, selector={"issuerRef": {"kind": CLUSTER}})


def test_a_name_that_the_cas_policy_cannot_judge_fails_its_request(issuers: Issuers, namespace: str) -> None:
    """step-ca answers 500 at each try, before it signs."""
    name, usages = f"a_b.{DOMAIN}", ["digital signature", "key encipherment", "server auth", "client auth"]
    allowing = policy(namespace, {"dnsNames": {"values": [name]}, "usages": usages})
    with only_policies(issuers.bed, allowing):
        issuers.request("odd", namespace, "step", duration="1h", csr=csr_pem(name))
        message = ready(wait_answer(issuers.bed, "odd", namespace, "Failed"))["message"]
    assert "error creating certificate" in message


def test_a_request_that_names_nothing_fails(issuers: Issuers, namespace: str) -> None:
    issuers.request("nobody", namespace, "step", duration="1h", csr=csr_pem())
    message = ready(wait_answer(issuers.bed, "nobody", namespace, "Failed"))["message"]
    assert "NoNames" in message


OTHER_KEY = json.dumps(jwk(ec.generate_private_key(ec.SECP256R1()), private=True))


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("PasswordNotAllowed", {"passwordEnv": "HOME", "passwordRef": None}),
        ("PasswordNotAllowed", {"passwordFile": "/etc/hostname", "passwordRef": None}),
        ("PasswordNotFound", {"passwordEnv": "NOT_SET", "passwordRef": None}),
        ("ProvisionerNotFound", {"name": "nobody"}),
        ("ProvisionerNotFound", {"kid": "another"}),
        ("ProvisionerNotSupported", {"name": "acme"}),
        ("ProvisionerKeyDiffers", {"keyRef": {"name": "other-key", "key": "jwk"}}),
        ("ProvisionerKeyUnusable", {"keyRef": {"name": "other-key", "key": "none"}}),
    ],
)
def test_a_spec_that_cannot_sign_says_what_to_do(
    issuers: Issuers, namespace: str, reason: str, changed: dict[str, Any]
) -> None:
    issuers.bed.kube.apply(secret("other-key", SYSTEM_NAMESPACE, jwk=OTHER_KEY, none="no key"))
    issuers.apply(namespace, provisioner=issuers.provisioner(**changed))
    assert issuers.wait_reason(namespace, reason)


def test_a_rotated_password_is_waited_for_and_then_used(issuers: Issuers, namespace: str) -> None:
    issuers.ca.rotate_password("another password of the testbed")
    assert SECRET in issuers.wait_reason("step", "PasswordRefused")
    issuers.request("waits", namespace, "step", duration="1h")
    issuers.store()
    wait_issued(issuers.bed, "waits", namespace)


def test_a_provisioner_that_is_removed_is_waited_for_until_it_is_back(
    issuers: Issuers, namespace: str
) -> None:
    ca, text = issuers.ca, issuers.ca.config.read_text()
    ca.configure(_without_jwk)
    ca.restart()
    # Asked for before the next check: it is not failed for what the issuer lacks.
    issuers.request("early", namespace, "step", duration="1h")
    assert '"acme" (ACME)' in issuers.wait_reason("step", "ProvisionerNotFound")
    issuers.request("late", namespace, "step", duration="1h")
    wait_answer(issuers.bed, "late", namespace, "Pending")
    ca.config.write_text(text)
    ca.restart()
    for name in ("early", "late"):
        wait_issued(issuers.bed, name, namespace)
    issuers.wait_ready("step")


def _without_jwk(config: dict[str, Any]) -> None:
    provisioners = config["authority"]["provisioners"]
    config["authority"]["provisioners"] = [one for one in provisioners if one["type"] != "JWK"]


def test_a_rotated_key_is_told_with_its_new_id_and_waited_for(issuers: Issuers, namespace: str) -> None:
    issuers.ca.rotate_key("a password for another key")
    issuers.store()
    issuers.request("early", namespace, "step", duration="1h")
    assert f'"{issuers.ca.kid}"' in issuers.wait_reason("step", "ProvisionerNotFound")
    issuers.apply("step")  # with the new kid
    wait_issued(issuers.bed, "early", namespace)
    issuers.wait_ready("step")


def test_a_deleted_password_is_waited_for_until_it_is_back(issuers: Issuers, namespace: str) -> None:
    issuers.bed.kube.delete("v1", "Secret", SECRET, SYSTEM_NAMESPACE)
    assert SECRET in issuers.wait_reason("step", "SecretNotFound")
    issuers.request("waits", namespace, "step", duration="1h")
    wait_answer(issuers.bed, "waits", namespace, "Pending")
    issuers.store()
    wait_issued(issuers.bed, "waits", namespace)
    issuers.wait_ready("step")


def test_a_rotated_intermediate_signs_at_once(issuers: Issuers, namespace: str) -> None:
    before = issuers.ca.intermediate.subject
    issuers.ca.rotate_intermediate()
    issuers.request("one", namespace, "step", duration="1h")
    assert leaf_of(wait_issued(issuers.bed, "one", namespace)).issuer != before


def test_a_revocation_reaches_the_ca_and_is_said_to_be_passive(issuers: Issuers, namespace: str) -> None:
    bed = issuers.bed
    rights = load(RBAC / "optional" / "revocation.yaml")
    bed.kube.apply(rights)
    issuers.apply("revokes", revocation={"policy": "OnDelete"})
    found = issuers.wait_ready("revokes")
    crl = f"{issuers.ca.url}/crl"
    assert any("passively" in one and crl in one for one in found["status"]["warnings"])
    issuers.request("gone", namespace, "revokes", duration="1h")
    serial = leaf_of(wait_issued(bed, "gone", namespace)).serial_number
    bed.kube.delete(CERT_MANAGER, "CertificateRequest", "gone", namespace)
    wait_until(lambda: is_revoked(issuers.ca, serial), "it is on the CA's CRL")
    for one in rights:
        bed.kube.delete(
            one["apiVersion"], one["kind"], one["metadata"]["name"], one["metadata"].get("namespace")
        )


def is_revoked(ca: StepCA, serial: int) -> bool:
    """Whether a certificate is on the CA's CRL."""
    crl = x509.load_der_x509_crl(ca.fetch("/crl"))
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def test_status_inspect_and_explain_know_the_issuer(issuers: Issuers, namespace: str) -> None:
    def told(*words: str) -> Any:
        done = run_command(*words, f"--kubeconfig={issuers.bed.kubeconfig}", "-o", "json")
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    assert PROVISIONER in json.dumps(told("status"))
    assert "step-ca" in json.dumps(told("explain", f"{CLUSTER}/step")).lower()
    issuers.request("seen", namespace, "step", duration="1h")
    wait_issued(issuers.bed, "seen", namespace)
    assert "step" in json.dumps(told("inspect", f"CertificateRequest/{namespace}/seen"))


def test_a_canary_asks_the_issuer_as_a_client_would(issuers: Issuers, namespace: str) -> None:
    words = ("canary", f"{CLUSTER}/step", f"--dns-name=canary.{DOMAIN}", f"--namespace={namespace}")
    done = run_command(*words, f"--kubeconfig={issuers.bed.kubeconfig}")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_request_of_kubernetes_own_is_signed_for_the_cas_usual_life(
    issuers: Issuers, namespace: str
) -> None:
    """It names no `expirationSeconds`: 90 days, as Vault is asked then, this CA would refuse for good."""
    bed, signer = issuers.bed, "stepclusterissuers.vault-issuer.io/step"
    ask_approved(bed, bed.kube, namespace, signer)
    leaf, _ = wait_signed(bed, namespace)
    assert timedelta(hours=23) < leaf.not_valid_after_utc - leaf.not_valid_before_utc < timedelta(hours=25)


def test_trouble_of_step_cas_own_is_told_and_waited_out(issuers: Issuers, namespace: str) -> None:
    bed, ca = issuers.bed, issuers.ca
    with TroubledServer(bed.directory / namespace, namespace, ca.url, ca.root_file) as server:
        issuers.apply(namespace, url=server.addr, caBundle=server.ca_bundle)
        issuers.wait_ready(namespace)
        server.trouble = 502
        issuers.request("patient", namespace, namespace, duration="1h")
        assert "StepCAUnavailable" in ready(wait_answer(bed, "patient", namespace, "Pending"))["message"]
        issuers.wait_reason(namespace, "StepCAUnavailable")
        server.trouble = 429
        issuers.wait_reason(namespace, "StepCARateLimited")
        server.trouble = 0
        wait_issued(bed, "patient", namespace)
        bed.kube.delete(API_VERSION, CLUSTER, namespace)
