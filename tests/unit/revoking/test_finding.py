"""What a user names to be revoked: words, and the certificates of objects in a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from issuer.inspection.reading import Reader
from issuer.inspection.target import InspectionTarget
from issuer.inventory.certificate import names_of
from issuer.manifests.errors import BadInput
from issuer.revoking.finding import file_certificate, object_certificate
from issuer.revoking.named import NamedSerial, parse_named
from tests.builders import csr_pem
from tests.ca import TestCA
from tests.unit.inspection.scene import encoded
from tests.unit.kube.fake_api import Reply, client_of, json, listing, refuse, running

WEB = InspectionTarget("Certificate", "team-a", "web")
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/team-a/certificates/web"
REQUESTS = "/apis/cert-manager.io/v1/namespaces/team-a/certificaterequests"
SECRET = "/api/v1/namespaces/team-a/secrets/web-tls"
CERTIFICATE = {"metadata": {"name": "web", "namespace": "team-a"}, "spec": {"secretName": "web-tls"}}


@pytest.mark.parametrize(
    ("word", "named"),
    [
        ("1F0AC3", NamedSerial("1f:0a:c3")),
        ("0x1f0ac3", NamedSerial("1f:0a:c3")),
        ("pki/int/01-0a", NamedSerial("01:0a", "pki/int")),
        ("cert/web", WEB),
        ("Certificate/web", WEB),
        ("secret/other/tls", InspectionTarget("Secret", "other", "tls")),
        ("cr/web-1", InspectionTarget("CertificateRequest", "team-a", "web-1")),
        ("csr/node", InspectionTarget("CertificateSigningRequest", "", "node")),
    ],
)
def test_words_name_serial_numbers_and_objects(word: str, named: object) -> None:
    assert parse_named(word, "team-a") == named


@pytest.mark.parametrize("word", ["", "web", "pki/", "certificate/", "certificate/a/b/c", "csr/a/b", "1f:0g"])
def test_other_words_are_bad_input(word: str) -> None:
    with pytest.raises(BadInput):
        parse_named(word, "team-a")


def test_a_file_that_is_there_is_meant_before_a_serial_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "abc").touch()
    assert parse_named("abc", "") == Path("abc")


def request(name: str, revision: int, pem: str) -> dict[str, Any]:
    """A request of web."""
    annotations = {
        "cert-manager.io/certificate-name": "web",
        "cert-manager.io/certificate-revision": str(revision),
    }
    meta = {"name": name, "namespace": "team-a", "annotations": annotations}
    return {"metadata": meta, "status": {"certificate": encoded(pem)} if pem else {}}


async def found(requests: Reply, secret: Reply | None = None) -> tuple[str, ...]:
    """Return the names of the certificate that web has in a cluster that answers so."""
    async with running() as api, client_of(api) as client:
        api.on("GET", CERTIFICATES, json(CERTIFICATE))
        api.on("GET", REQUESTS, requests)
        if secret is not None:
            api.on("GET", SECRET, secret)
        return names_of(await object_certificate(Reader(client), WEB))


async def test_a_certificate_has_what_its_newest_request_holds() -> None:
    ca = TestCA.make()
    old, new = (ca.sign(csr_pem(f"{one}.test").decode()).leaf_pem for one in ("old", "new"))
    assert "new.test" in await found(listing("1", request("web-2", 2, new), request("web-1", 1, old)))


async def test_without_an_answered_request_its_secret_is_read() -> None:
    held = {"data": {"tls.crt": encoded(TestCA.make().sign(csr_pem("held.test").decode()).leaf_pem)}}
    assert "held.test" in await found(listing("1", request("web-2", 2, "")), json(held))
    with pytest.raises(BadInput, match="no Secret of it"):
        await found(listing("1"), refuse(404, "NotFound"))


@pytest.mark.parametrize(
    ("word", "path"),
    [
        ("cr/web-2", f"{REQUESTS}/web-2"),
        ("csr/node", "/apis/certificates.k8s.io/v1/certificatesigningrequests/node"),
    ],
)
async def test_a_request_has_what_it_was_answered_with(word: str, path: str) -> None:
    target = parse_named(word, "team-a")
    assert isinstance(target, InspectionTarget)
    pem = TestCA.make().sign(csr_pem("web.test").decode()).leaf_pem
    async with running() as api, client_of(api) as client:
        api.on("GET", path, json(request("web-2", 2, pem)))
        assert "web.test" in names_of(await object_certificate(Reader(client), target))
        api.on("GET", path, json(request("web-2", 2, "")))
        with pytest.raises(BadInput, match="holds no certificate"):
            await object_certificate(Reader(client), target)
        api.on("GET", path, refuse(404, "NotFound"))
        with pytest.raises(BadInput, match=f"there is no {target.kind} "):
            await object_certificate(Reader(client), target)


def test_of_a_pkcs7_file_the_certificate_below_its_cas_is_taken(tmp_path: Path) -> None:
    """It is a set in the order of its bytes: the root comes first, and the leaf with its many names last."""
    ca = TestCA.make()
    leaf = x509.load_pem_x509_certificate(ca.sign(csr_pem(f"{'long' * 15}.test").decode()).leaf_pem.encode())
    data = pkcs7.serialize_certificates([leaf, ca.intermediate, ca.root], Encoding.DER)
    assert pkcs7.load_der_pkcs7_certificates(data)[0] != leaf
    (tmp_path / "web.p7b").write_bytes(data)
    assert file_certificate(tmp_path / "web.p7b") == leaf
