"""The request made for a Certificate holds what cert-manager's would."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.explain.certificate import request_for
from issuer.manifests.errors import BadInput
from issuer.manifests.fields import Fields
from issuer.x509.contents import RequestPart
from issuer.x509.request import read_request

ECDSA = {"algorithm": "ECDSA"}


def made(**spec: Any) -> x509.CertificateSigningRequest:
    return x509.load_pem_x509_csr(request_for(Fields("c.yaml", "spec", {"privateKey": ECDSA, **spec})))


def test_every_kind_of_name_is_asked_for() -> None:
    other = {"oid": "1.3.6.1.4.1.311.20.2.3", "utf8Value": "jane@corp"}
    request = made(
        commonName="a.test",
        dnsNames=["a.test", "*.b.test"],
        ipAddresses=["10.0.0.1", "::1"],
        uris=["spiffe://a/b"],
        emailAddresses=["x@a.test"],
        otherNames=[other],
    )
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert not names.critical
    assert names.value.get_values_for_type(x509.DNSName) == ["a.test", "*.b.test"]
    assert [str(ip) for ip in names.value.get_values_for_type(x509.IPAddress)] == ["10.0.0.1", "::1"]
    values = read_request(request.public_bytes(Encoding.PEM)).contents.values
    assert [one.text for one in values[RequestPart.OTHER, other["oid"]]] == ["jane@corp"]


def test_names_are_critical_where_the_subject_is_empty() -> None:
    assert made(dnsNames=["a.test"]).extensions.get_extension_for_class(x509.SubjectAlternativeName).critical


def test_several_values_of_an_attribute_share_one_relative_name_as_in_go() -> None:
    subject = {"organizations": ["A", "B"], "countries": ["CH"], "serialNumber": "7"}
    request = made(commonName="a", subject=subject)
    assert [len(list(rdn)) for rdn in request.subject.rdns] == [1, 2, 1, 1]


def test_a_literal_subject_takes_the_place_of_subject() -> None:
    request = made(
        literalSubject="CN=a.test,O=Lab", subject={"organizations": ["other"]}, dnsNames=["a.test"]
    )
    assert request.subject.rfc4514_string() == "CN=a.test,O=Lab"


@pytest.mark.parametrize(
    ("usages", "is_ca", "bits"),
    [
        ([], False, {"digital_signature", "key_encipherment"}),
        ([], True, {"digital_signature", "key_encipherment", "key_cert_sign"}),
        (["crl sign"], False, {"crl_sign"}),
        (["key agreement", "decipher only"], False, {"key_agreement", "decipher_only"}),
    ],
)
def test_usages_become_key_usage_bits(usages: list[str], is_ca: bool, bits: set[str]) -> None:
    found = made(commonName="a", usages=usages, isCA=is_ca).extensions.get_extension_for_class(x509.KeyUsage)
    assert found.critical
    names = ("digital_signature", "content_commitment", "key_encipherment", "key_agreement", "key_cert_sign")
    only = ("encipher_only", "decipher_only") if found.value.key_agreement else ()
    set_bits = {name for name in (*names, "crl_sign", *only) if getattr(found.value, name)}
    assert set_bits == bits


def test_usages_stay_out_where_the_certificate_says_so() -> None:
    request = made(commonName="a", usages=["server auth"], encodeUsagesInRequest=False)
    assert not list(request.extensions)


def test_basic_constraints_are_left_out_as_cert_manager_does() -> None:
    oids = {extension.oid for extension in made(commonName="a", isCA=True).extensions}
    assert x509.BasicConstraints.oid not in oids


@pytest.mark.parametrize(
    ("key", "kind", "size"),
    [
        ({}, rsa.RSAPublicKey, 2048),
        ({"algorithm": "ECDSA"}, ec.EllipticCurvePublicKey, 256),
        ({"algorithm": "ECDSA", "size": 521}, ec.EllipticCurvePublicKey, 521),
        ({"algorithm": "Ed25519", "size": 1}, ed25519.Ed25519PublicKey, None),
    ],
)
def test_the_key_is_of_the_kind_asked_for(key: dict[str, Any], kind: type, size: int | None) -> None:
    public = made(commonName="a", privateKey=key).public_key()
    assert isinstance(public, kind)
    assert getattr(public, "key_size", None) == size


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({}, "commonName is missing"),
        ({"commonName": "a", "usages": ["flying"]}, "flying"),
        ({"ipAddresses": ["10.0.0"]}, "10.0.0"),
        ({"dnsNames": "a.test"}, "spec.dnsNames must be a list"),
        ({"commonName": 7}, "spec.commonName must be text"),
        ({"commonName": "a", "isCA": "yes"}, "spec.isCA must be true or false"),
        ({"commonName": "a", "privateKey": {"algorithm": "DSA"}}, "privateKey.algorithm"),
        ({"commonName": "a", "privateKey": {"size": 1024}}, "2048 to 8192"),
        ({"commonName": "a", "privateKey": {"algorithm": "ECDSA", "size": 255}}, "256, 384 or 521"),
    ],
)
def test_what_cert_manager_refuses_is_refused_with_the_field(spec: dict[str, Any], told: str) -> None:
    with pytest.raises(BadInput, match=told):
        made(**spec)
