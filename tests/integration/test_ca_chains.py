"""Chains as operators have them: several ways up, old roots, bundles with something odd in them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from issuer.x509.encoding.pem import write_pem
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.samples import API_VERSION
from testbed.vaultpki import DOMAIN, PkiLayout, mount_pki, setup_policy, setup_role, setup_token
from tests import odd_certificates as odd
from tests.builders import csr_with
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    ready,
    signed_csrs,
    wait_answer,
    wait_issued,
)
from tests.integration.support.scope import Scope, certificates_of, sweep

DAY = 24
MERGE = {"Content-Type": "application/merge-patch+json"}


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """A controller that looks at its issuers every second."""
    with ControllerProcess(bed, ["--issuer-check-period=1"]) as one:
        yield one
        sweep(bed)


@pytest.fixture(scope="module")
def crossed(bed: Testbed) -> dict[str, str]:
    """A mount `crossed` below a new root that an old one, which ends in 60 days, signed, too.

    Issuers by name: `int`, `new`, `cross`, `old`, and `late`: the intermediate again, not valid yet.
    """
    vault = bed.vault
    for mount in ("crossed", "crossed_old", "crossed_new"):
        mount_pki(vault, mount, 4000 * DAY)
    old = generate(bed, "crossed_old", "Old Root", 60)
    new = generate(bed, "crossed_new", "New Root", 3000)
    csr = vault.write("crossed_new/intermediate/cross-sign", {"common_name": "New Root", "key_ref": "root"})
    cross = signed(bed, "crossed_old", csr["csr"], "New Root", 59)
    inter = vault.write("crossed/intermediate/generate/internal", {"common_name": "Int", "key_type": "ec"})
    own = signed(bed, "crossed_new", inter["csr"], "Int", 1500)
    ids = {"int": imported(bed, "intermediate/set-signed", certificate=own)}
    for name, pem in (("new", new), ("cross", cross), ("old", old)):
        ids[name] = imported(bed, "issuers/import/cert", pem_bundle=pem)
    setup_role(vault, "crossed", "lab", max_ttl="4000h")
    setup_policy(vault, "crossed", "lab")
    return ids


def generate(bed: Testbed, mount: str, name: str, days: int) -> str:
    """A root of that mount."""
    wanted = {"common_name": name, "key_type": "ec", "key_name": "root", "ttl": f"{days * DAY}h"}
    return str(bed.vault.write(f"{mount}/root/generate/internal", wanted)["certificate"])


def signed(bed: Testbed, mount: str, csr: str, name: str, days: int) -> str:
    """A CA's certificate by the root of that mount."""
    wanted = {"csr": csr, "common_name": name, "ttl": f"{days * DAY}h"}
    return str(bed.vault.write(f"{mount}/root/sign-intermediate", wanted)["certificate"])


def imported(bed: Testbed, path: str, **body: str) -> str:
    """The id of the one issuer that a certificate became."""
    (found,) = bed.vault.write(f"crossed/{path}", body)["mapping"]
    return str(found)


def order(bed: Testbed, ids: dict[str, str], *names: str) -> None:
    """Set the chain of the mount's CA by hand; without names Vault makes it."""
    chain = [ids[name] for name in names]
    bed.vault.call("PATCH", f"crossed/issuer/{ids['int']}", {"manual_chain": chain}, headers=MERGE)


def status(scope: Scope, until: Callable[[Object], bool]) -> Object:
    """The status of the issuer, once it is so."""
    found = scope.bed.kube.wait(
        API_VERSION, scope.kind, scope.name, None, until=lambda one: until(one.get("status") or {})
    )
    return dict(found["status"])


def names(request: Object) -> tuple[list[str], str]:
    """Who signed each of `tls.crt`, and the CA in `ca.crt`."""
    ca = x509.load_pem_x509_certificate(base64.b64decode(request["status"]["ca"]))
    signers = [one.issuer.rfc4514_string() for one in certificates_of(request)]
    return signers, ca.subject.rfc4514_string()


BY_NEW = (["CN=Int", "CN=New Root"], "CN=New Root")
BY_OLD = (["CN=Int", "CN=New Root", "CN=Old Root"], "CN=Old Root")


def test_the_chain_is_the_one_that_vault_puts_first(
    bed: Testbed, cluster: Scope, crossed: dict[str, str]
) -> None:
    """Status, expiry and delivery go one way; a certificate that outlives the first root gets the other."""
    order(bed, crossed)
    cluster.apply_with_token(setup_token(bed.vault, "crossed-lab"), path="crossed/sign/lab")
    cluster.wait_checked()
    assert names(cluster.issue("made-by-vault", duration="24h")) == BY_NEW
    told = status(cluster, lambda one: "stands below 2 roots" in str(one.get("warnings")))
    assert "ca.crt holds CN=New Root" in str(told["warnings"])
    order(bed, crossed, "int", "cross", "old", "new")
    told = status(cluster, lambda one: "ca.crt holds CN=Old Root" in str(one.get("warnings")))
    assert names(cluster.issue("by-hand", duration="24h")) == BY_OLD
    # Nothing is refused as long as one root lasts: the CA's end is that of the way that lasts longest.
    assert names(cluster.issue("outlives-the-old-root", duration="2160h")) == BY_NEW
    ends = bed.vault.read(f"crossed/issuer/{crossed['int']}")["certificate"]
    end = x509.load_pem_x509_certificate(ends.encode()).not_valid_after_utc
    assert told["caNotAfter"] == end.strftime("%Y-%m-%dT%H:%M:%SZ")
    # With the old root alone, its end is the CA's, and is told before anything is signed.
    order(bed, crossed, "int", "cross", "old")
    told = status(cluster, lambda one: one["caNotAfter"] != told["caNotAfter"])
    assert "roots" not in str(told.get("warnings"))
    cluster.request("beyond", duration="2160h")
    message = ready(wait_answer(bed, "beyond", cluster.namespace, "Failed"))["message"]
    assert "CAExpiresTooSoon" in message
    assert told["caNotAfter"] in message
    assert names(cluster.issue("within", duration="24h")) == BY_OLD


def test_a_500_that_never_changes_says_that_it_looks_permanent_and_what_to_change(
    bed: Testbed, cluster: Scope, crossed: dict[str, str]
) -> None:
    """Vault signs no CA below one with two ways up, but leaves; with one way up it signs both."""
    authority = "crossed/root/sign-intermediate"
    rules = "".join(
        f'path "{path}" {{ capabilities = ["update"] }}\n' for path in ("crossed/sign/lab", authority)
    )
    bed.vault.call("PUT", "sys/policies/acl/crossed-authority", {"policy": rules})
    order(bed, crossed, "int", "cross", "old", "new")
    own = {"certificateAuthority": {"path": authority}}
    cluster.apply_with_token(setup_token(bed.vault, "crossed-authority"), own, path="crossed/sign/lab")
    cluster.wait_checked()
    csr = csr_with(subject=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Sub CA")]))
    cluster.request("sub-ca", csr=csr, isCA=True, usages=["cert sign"], duration="24h")
    first = ready(wait_answer(bed, "sub-ca", cluster.namespace, "Pending"))["message"]
    assert "verification of parsed bundle failed" in first
    cluster.issue("leaf", duration="24h")

    def told(request: Object) -> bool:
        message = str(ready(request).get("message"))
        return "looks permanent" in message and "manual_chain" in message

    bed.kube.wait(CERT_MANAGER, REQUEST, "sub-ca", cluster.namespace, until=told)
    order(bed, crossed, "int", "cross", "old")
    wait_issued(bed, "sub-ca", cluster.namespace)


def test_no_way_leads_through_a_ca_that_does_not_hold_now(
    bed: Testbed, cluster: Scope, crossed: dict[str, str]
) -> None:
    """A root that Vault names first and that is not valid yet, or no more, is left for the one that is."""
    for number, (begin, end) in enumerate((("20400101", "20600101"), ("20200101", "20210101"))):
        mount = f"ways{number}"
        mount_pki(bed.vault, mount, 4000 * DAY)
        (key, good_key), good_name = (odd.new_key(), odd.new_key()), odd.plain_name("Good Root")
        shape = odd.Shape(subject=odd.plain_name("Other Root"))
        times = {"begin": odd.generalized(f"{begin}000000Z"), "end": odd.generalized(f"{end}000000Z")}
        other = odd.certificate(shape.but(**times), key, key)
        cross = odd.certificate(shape.but(issuer=good_name), key, good_key)
        good = odd.certificate(odd.Shape(subject=good_name), good_key, good_key)
        inter = intermediate(bed, mount, shape.subject, key)
        issuer_of(bed, mount, inter, other, cross, good)
        scope = Scope(bed, f"{cluster.name}-{number}", cluster.namespace)
        scope.apply_with_token(setup_token(bed.vault, f"{mount}-lab"), path=f"{mount}/sign/lab")
        scope.wait_checked()
        assert names(scope.issue(f"one-{number}", duration="24h"))[1] == "CN=Good Root"
        told = status(scope, lambda one: "caNotAfter" in one)
        assert told["caNotAfter"] == "2049-12-31T00:00:00Z"
        assert "warnings" not in told  # there is one root only that holds


def test_a_ca_that_does_not_hold_yet_signs_nothing(bed: Testbed, cluster: Scope) -> None:
    """It was Ready, and each request signed and refused."""
    mount_pki(bed.vault, "coming", 4000 * DAY)
    key, shape = odd.new_key(), odd.Shape(subject=odd.plain_name("Coming Root"))
    root = odd.certificate(shape.but(begin=odd.generalized("20400101000000Z")), key, key)
    issuer_of(bed, "coming", intermediate(bed, "coming", shape.subject, key), root)
    cluster.apply_with_token(setup_token(bed.vault, "coming-lab"), path="coming/sign/lab")
    assert "begins at 2040-01-01T00:00:00Z" in cluster.wait_reason("InvalidCAChain")


def issuer_of(bed: Testbed, mount: str, *certificates: bytes) -> None:
    """Import the mount's CA with those above it; a role and a policy for it."""
    bed.vault.write(f"{mount}/intermediate/set-signed", {"certificate": odd.pem(*certificates)})
    setup_role(bed.vault, mount, "lab", max_ttl="4000h")
    setup_policy(bed.vault, mount, "lab")


def intermediate(bed: Testbed, mount: str, issuer: bytes, key: odd.PrivateKey) -> bytes:
    """The mount's own intermediate, signed by that root."""
    csr = bed.vault.write(f"{mount}/intermediate/generate/internal", {"common_name": "Int", "key_type": "ec"})
    asked = x509.load_pem_x509_csr(csr["csr"].encode())
    spki = asked.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return odd.certificate(
        odd.Shape(subject=asked.subject.public_bytes(), issuer=issuer, spki=spki), key, key
    )


# Each in a mount of its own: what OpenBao imports, and what every reader here had trouble with.
ROOTS = (
    "serial 0",
    "T61String in Latin-1",
    "critical FALSE",
    "unsorted relative name",
    "notBefore in year 0",
    "SHA-1",
)


def test_old_roots_sign_as_others_do(bed: Testbed, cluster: Scope) -> None:
    """And one odd certificate in the CA bundle doesn't keep Vault from being trusted."""
    unreadable = write_pem("CERTIFICATE", b"\x30\x03\x02\x01\x00")
    secret = odd.key_pem(odd.new_key())
    scopes = []
    for number, shape in enumerate(ROOTS):
        mount = f"old{number}"
        mount_pki(bed.vault, mount, 4000 * DAY)
        key = odd.new_key(rsa_key=odd.ODD[shape].rsa)
        plain = odd.ODD[shape].change(odd.Shape(subject=odd.plain_name("Old Root")))
        root = odd.certificate(plain, key, key)
        inter = intermediate(bed, mount, plain.subject, key)
        issuer_of(bed, mount, inter, root)
        scope = Scope(bed, f"{cluster.name}-{number}", cluster.namespace)
        bundle = f"# Müller\n{odd.pem(root)}{unreadable}{secret}{bed.vault.ca_pem}"
        scope.apply_with_token(
            setup_token(bed.vault, f"{mount}-lab"),
            path=f"{mount}/sign/lab",
            caBundle=base64.b64encode(bundle.encode()).decode(),
        )
        scope.request(f"one-{number}", duration="24h")
        scopes.append((scope, number, root, inter))
    for scope, number, root, inter in scopes:
        issued = scope.bed.kube.wait(
            CERT_MANAGER,
            REQUEST,
            f"one-{number}",
            scope.namespace,
            until=lambda found: ready(found).get("reason") in ("Issued", "Failed"),
        )
        assert ready(issued)["reason"] == "Issued", ready(issued)
        assert base64.b64decode(issued["status"]["ca"]).decode() == odd.pem(root)
        assert base64.b64decode(issued["status"]["certificate"]).decode().endswith(odd.pem(inter))
        (told,) = status(scope, lambda one: bool(one.get("warnings")))["warnings"]
        assert told.startswith("Left out of the CA bundle for Vault: certificate 2 (SHA-256 ")
        assert "certificate 3: a private key doesn't belong here" in told
        assert secret.splitlines()[1] not in told


def test_name_constraints_are_denied(bed: Testbed, cluster: Scope, layout: PkiLayout) -> None:
    """Vault's sign-verbatim would copy them into the leaf."""
    path = f"{layout.mount}/sign-verbatim"
    policy = f'path "{path}" {{ capabilities = ["update"] }}'
    bed.vault.call("PUT", "sys/policies/acl/bound", {"policy": policy})
    cluster.apply_with_token(setup_token(bed.vault, "bound"), path=path)
    cluster.wait_checked()
    before = len(signed_csrs(bed, path))
    cluster.request("bound", csr=csr_with(x509.NameConstraints([x509.DNSName(DOMAIN)], None)))
    denied = wait_answer(bed, "bound", cluster.namespace, "Denied")
    assert "take spec.nameConstraints out of the Certificate" in str(denied["status"]["conditions"])
    assert len(signed_csrs(bed, path)) == before
