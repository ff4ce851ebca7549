"""The examples of config/pki on a real OpenBao: applied, again without a write, held against their intent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from issuer.pki.resources.pki_paths import PROTECTED
from testbed.errors import HTTPError
from testbed.openbao import OpenBao, Storage
from testbed.servers import find_bao, program_at
from tests.pki.cas import FileCA, root
from tests.pki.support import Vault, actions, written
from tests.readers.chains import CHAIN_VERIFIERS, SentChain

FOLDER: Final = Path(__file__).parents[2] / "config" / "pki"
ADDRESS: Final = "http://vault.example.test:8200"
PASSPHRASE: Final = "correct horse battery staple"
_KEY: Final = ec.generate_private_key(ec.SECP256R1())
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@dataclass(frozen=True, slots=True)
class Leaf:
    """One certificate that a policy asks for by a role, and the usages that it then has; none: refused."""

    policy: str
    path: str
    name: str
    usages: tuple[x509.ObjectIdentifier, ...] = ()
    ttl: str = ""
    status: int = 400


@dataclass(frozen=True, slots=True)
class Example:
    """One example: its files, what may be asked for, and the mount that it protects."""

    files: tuple[str, ...]
    mount: str
    leaves: tuple[Leaf, ...]
    lifetime: int
    protected: str = ""
    protecting: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)


EXAMPLES: Final = {
    "homelab": Example(
        files=("homelab.yaml",),
        mount="pki_int",
        leaves=(
            Leaf("cert-manager-pki", "sign/lab-internal", "nas.lab.example.test", (SERVER,)),
            Leaf("cert-manager-pki", "sign/lab-internal", "lab.example.test", (SERVER,), ttl="8760h"),
            Leaf("device-pki", "sign/lab-internal", "*.lab.example.test", (SERVER,)),
            Leaf("cert-manager-pki", "sign/lab-internal", "lab.example.com"),
            Leaf("cert-manager-pki", "sign/lab-internal", "localhost"),
            Leaf("cert-manager-pki", "sign-verbatim", "nas.lab.example.test", status=403),
            Leaf("device-pki", "sign-verbatim/lab-internal", "nas.lab.example.test", status=403),
            Leaf("device-pki", "issuer/default/sign/lab-internal", "nas.lab.example.test", status=403),
        ),
        lifetime=43800,
        protected="pki",
        protecting=("cert-manager-pki", "device-pki"),
    ),
    "below-existing-root": Example(
        files=("below-existing-root.yaml",),
        mount="pki_int",
        leaves=(
            Leaf("pki_int", "sign/homelab-local", "podinfo.homelab.example.test", (SERVER,), ttl="24h"),
            Leaf("pki_int", "sign/homelab-local", "homelab.example.test"),
            Leaf("pki_int", "sign/homelab-local", "podinfo"),
            Leaf("pki_int", "sign/other", "podinfo.homelab.example.test", status=403),
        ),
        lifetime=8760,
        protected="pki",
        protecting=("pki_int",),
    ),
    "three-roles": Example(
        files=("three-roles.yaml",),
        mount="pki_int",
        leaves=(
            Leaf("cert-manager", "sign/internal-services", "api.internal.example.test", (SERVER, CLIENT)),
            Leaf("cert-manager", "sign/internal-services", "api.default.svc.cluster.local", (SERVER, CLIENT)),
            Leaf("cert-manager", "sign/internal-services", "api.example.test"),
            Leaf("cert-manager", "sign/web-servers", "api.example.test", status=403),
            Leaf("client-auth", "sign/client-auth", "alice.users.example.test", (CLIENT,)),
            Leaf("client-auth", "sign/client-auth", "alice.example.test"),
            Leaf("client-auth", "sign/internal-services", "api.internal.example.test", status=403),
            Leaf("web-servers", "sign/web-servers", "api.internal.example.com", status=400),
            Leaf("web-servers", "issue/web-servers", "api.example.test", (SERVER,)),
        ),
        lifetime=26280,
        protected="pki_root",
        protecting=("cert-manager", "web-servers", "client-auth"),
    ),
    "offline-test": Example(
        files=("offline-root/pki.yaml", "offline-root/test.yaml"),
        mount="pki_test",
        leaves=(
            Leaf("test-app", "issue/app", "shop.apps.test.example.test", (SERVER,)),
            Leaf("test-app", "issue/app", "shop.apps.prod.example.test"),
            Leaf("test-app", "sign/app", "shop.apps.test.example.test", status=403),
            Leaf("test-vault-server", "issue/vault-server", "vault.test.example.test", (SERVER,)),
            Leaf("test-vault-server", "issue/vault-server", "other.test.example.test"),
            Leaf("test-proxy", "issue/app", "shop.apps.test.example.test", status=403),
        ),
        lifetime=0,
        variables={"ENVIRONMENT": "test"},
    ),
    "offline-prod": Example(
        files=("offline-root/pki.yaml", "offline-root/prod.yaml"),
        mount="pki_prod",
        leaves=(
            Leaf("prod-app", "issue/app", "shop.apps.prod.example.test", (SERVER,), ttl="720h"),
            Leaf("prod-app", "issue/app", "shop.apps.test.example.test"),
        ),
        lifetime=0,
        variables={"ENVIRONMENT": "prod"},
    ),
}


@dataclass(slots=True)
class Applied:
    """An example that was applied."""

    example: Example
    vault: Vault
    files: list[Path]
    variables: dict[str, str]

    def token(self, policy: str) -> str:
        """Return a token that has one policy alone."""
        body = {"policies": [policy], "no_default_policy": True, "ttl": "10m"}
        return str(self.vault.bao.call("POST", "auth/token/create", body)["auth"]["client_token"])

    def words(self, command: str, *words: str) -> list[str | Path]:
        """Return the words of a command on the files."""
        return [command, *words, *(word for file in self.files for word in ("-f", file))]


@pytest.fixture(scope="module")
def offline() -> FileCA:
    return root("Offline Root CA")


@pytest.fixture(scope="module", params=sorted(EXAMPLES))
def applied(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, offline: FileCA
) -> Iterator[Applied]:
    """Yield an example, applied to a server of its own."""
    example = EXAMPLES[request.param]
    folder = tmp_path_factory.mktemp("example")
    files = [_copied(FOLDER / file, folder) for file in example.files]
    below = offline.below("Existing Intermediate CA")
    (folder / "bundle.pem").write_text(offline.pem + below.key_pem(PASSPHRASE) + below.pem)
    bao = server_for(tmp_path_factory.mktemp("openbao"))
    try:
        bao.start()
        variables = {
            "KUBERNETES_CA": bao.ca_pem,
            "PKI_ADDRESS": ADDRESS,
            "DEVICES": "127.0.0.0/8",
            "BUNDLE_PASSPHRASE": PASSPHRASE,
            **example.variables,
        }
        found = Applied(example, Vault(bao, request.param), files, variables)
        _apply(found, folder, offline)
        yield found
    finally:
        bao.close()


def _copied(file: Path, folder: Path) -> Path:
    """Return a copy in a folder, but with smaller RSA keys: OpenBao makes one of 4096 bits in seconds."""
    return written(folder, file.read_text().replace("bits: 4096", "bits: 2048"), file.name)


def server_for(folder: Path) -> OpenBao:
    """Return a server: on Raft or the storage of PKI_STORAGE, by the program of PKI_SERVER."""
    program = os.environ.get("PKI_SERVER")
    chosen = os.environ.get("PKI_STORAGE") or Storage.RAFT
    found = find_bao() if program is None else program_at(Path(program))
    return OpenBao(found, folder, storage=Storage(chosen))


def _apply(found: Applied, folder: Path, offline: FileCA) -> None:
    ran = found.vault.run(*found.words("apply", "--yes"), **found.variables)
    environment = found.variables.get("ENVIRONMENT")
    if environment is not None:
        assert ran.exit_code == 3, ran.output
        signed = offline.sign((folder / f"{environment}-ca.csr").read_text(), path_length=0)
        (folder / f"{environment}-ca.pem").write_text(signed)
        ran = found.vault.run(*found.words("apply", "--yes"), **found.variables)
    assert ran.exit_code == 0, ran.output


def test_an_example_is_as_its_file_says_and_again_writes_nothing(applied: Applied) -> None:
    vault = applied.vault
    before = len(vault.requests())
    ran = vault.run(*applied.words("apply", "--yes"), **applied.variables)
    assert ran.exit_code == 0, ran.output
    assert vault.writes_since(before) == []
    ran = vault.run(*applied.words("verify"), **applied.variables)
    assert ran.exit_code == 0, ran.output


def test_a_plan_of_what_stands_takes_few_calls(applied: Applied) -> None:
    before = len(applied.vault.requests())
    ran = applied.vault.run(*applied.words("plan"), **applied.variables)
    assert ran.exit_code in (0, 3), ran.output
    assert 0 < len(applied.vault.requests()) - before <= 60


def test_an_example_is_exported_and_its_plan_is_empty(applied: Applied, tmp_path: Path) -> None:
    file = tmp_path / "pki.yaml"
    ran = applied.vault.run("export", "-o", file)
    assert ran.exit_code == 0, ran.output
    assert actions(applied.vault.plan(file)) == []


def test_each_policy_gets_what_its_role_allows_and_nothing_else(applied: Applied) -> None:
    example, vault = applied.example, applied.vault
    signing = vault.bao.read(f"{example.mount}/config/issuers")["default"]
    for leaf in example.leaves:
        path, token = f"{example.mount}/{leaf.path}", applied.token(leaf.policy)
        body = {"common_name": leaf.name, "ttl": leaf.ttl or "1h"}
        if "sign" in leaf.path:
            body["csr"] = _request(leaf.name)
        if not leaf.usages:
            with pytest.raises(HTTPError) as refused:
                vault.bao.write(path, body, token=token)
            assert refused.value.status == leaf.status, leaf
            continue
        answer = vault.bao.write(path, body, token=token)
        certificate = x509.load_pem_x509_certificate(str(answer["certificate"]).encode())
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert set(usages) == set(leaf.usages), leaf
        key_usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
        assert not key_usage.key_agreement, leaf
        issuer = f"v1/{example.mount}/issuer/{signing}"
        assert _pointers(certificate) == {f"{issuer}/der", f"{issuer}/crl/der"}
        chain = [x509.load_pem_x509_certificate(str(one).encode()) for one in answer["ca_chain"]]
        for lower, upper in zip([certificate, *chain], chain, strict=False):
            lower.verify_directly_issued_by(upper)
        assert chain[-1].subject == chain[-1].issuer


def test_a_protected_mount_refuses_every_policy_on_every_path(applied: Applied) -> None:
    example, bao = applied.example, applied.vault.bao
    for policy in example.protecting:
        token = applied.token(policy)
        for pattern in PROTECTED:
            path = f"{example.protected}/" + pattern.replace("+", "default").replace("*", "other")
            for method in ("POST", "DELETE") if pattern in ("root", "issuer/+", "key/*") else ("POST",):
                with pytest.raises(HTTPError) as refused:
                    bao.call(method, path, {"common_name": "a.example.test"}, token=token)
                assert refused.value.status == 403, (policy, path)


def test_a_ca_lives_as_long_as_meant_and_signs_no_other(applied: Applied) -> None:
    mount = applied.example.mount
    certificate = applied.vault.certificate(mount, "default")
    basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    lived = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if applied.example.lifetime:
        assert basic.path_length == 0
        assert round(lived.total_seconds() / 3600) == applied.example.lifetime
        assert _pointers(certificate) == {
            f"v1/{applied.example.protected}/ca",
            f"v1/{applied.example.protected}/crl",
        }


def test_the_offline_roots_key_was_never_here(applied: Applied, offline: FileCA) -> None:
    mount = applied.example.mount
    keys = applied.vault.listed(f"{mount}/keys")["keys"]
    assert len(keys) == 1
    assert applied.vault.certificate(mount, "default").public_key() != offline.certificate.public_key()


@pytest.mark.parametrize("name", CHAIN_VERIFIERS)
def test_a_chain_is_accepted_by_who_reads_it(
    applied: Applied, offline: FileCA, tmp_path: Path, name: str
) -> None:
    verifier = CHAIN_VERIFIERS[name]
    if verifier.missing:
        pytest.skip(verifier.missing)
    is_sample = (name, applied.vault.name) == ("Go", "homelab")  # 2 s; keytool starts Java several times
    if verifier.is_slow and not is_sample and not os.environ.get("PKI_VERIFIERS"):
        pytest.skip("it takes seconds: make test-readers")
    chain = _issued(applied)
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.mkdir()
    bad.mkdir()
    assert verifier.judge(chain, good) == ""
    stranger = offline if chain.root != offline.pem else root("Another Root CA")
    assert verifier.judge(replace(chain, root=stranger.pem), bad) != ""


def _issued(applied: Applied) -> SentChain:
    """A certificate for a server by the example's first role, with what a server sends beside it."""
    example = applied.example
    leaf = next(one for one in example.leaves if SERVER in one.usages and "*" not in one.name)
    body = {"common_name": leaf.name, "ttl": "1h"}
    if "sign" in leaf.path:
        body["csr"] = _request(leaf.name)
    path, token = f"{example.mount}/{leaf.path}", applied.token(leaf.policy)
    answer = applied.vault.bao.write(path, body, token=token)
    *between, top = [f"{str(one).strip()}\n" for one in answer["ca_chain"]]
    return SentChain(top, (f"{str(answer['certificate']).strip()}\n", *between), leaf.name)


def _request(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = builder.add_extension(names, critical=False).sign(_KEY, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


def _pointers(certificate: x509.Certificate) -> set[str]:
    extensions = certificate.extensions
    access = extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    lists = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    found = {str(one.access_location.value) for one in access}
    found |= {str(name.value) for point in lists for name in point.full_name or ()}
    return {one.partition(":8200/")[2] for one in found}
