"""CSRs that a root doesn't sign, each with its reason; and roots of OpenSSL that are taken over."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from issuer.root.ceremony.signing import plan_signing, sign
from issuer.root.certificates.requests import read_ca_request
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from tests.rsa_keys import rsa_key
from tests.unit.root.support import NEW_KEY, NOW, Place, csr, new_root, openssl, sign_wish

KEY = ec.generate_private_key(ec.SECP256R1())
SAN = x509.SubjectAlternativeName([x509.DNSName("x.example.test")])
EKU = x509.ExtendedKeyUsage([x509.ObjectIdentifier("1.3.6.1.5.5.7.3.1")])
BASIC = x509.BasicConstraints(ca=True, path_length=3)
LEAF = x509.BasicConstraints(ca=False, path_length=None)
PERMITTED = {"permitted": {"dnsNames": ["example.test"]}}
CA_USAGE = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
OUTSIDE = {"permitted": {"dnsNames": ["other.test"]}}


def reason(pem: bytes, root: dict[str, Any] | None = None, **wish: Any) -> RefusalReason:
    """Return the reason for which a root refuses a CSR."""
    ledger, _ = new_root(**(root or {}))
    with pytest.raises(RootRefusal) as refused:
        plan_signing(ledger, read_ca_request(pem), sign_wish(**wish), NOW)
    return refused.value.reason


@pytest.mark.parametrize("extension", [SAN, EKU, LEAF])
def test_surprising_extensions_are_refused(extension: x509.ExtensionType) -> None:
    assert reason(csr(extensions=[(extension, False)])) is RefusalReason.REQUEST


def test_a_named_extension_may_be_left_out() -> None:
    ledger, key = new_root()
    request = read_ca_request(csr(extensions=[(SAN, False)]), ["subjectAltName"])
    signed = sign(plan_signing(ledger, request, sign_wish(), NOW), ledger, key, NOW).signed[-1]
    assert not [one for one in signed.certificate.extensions if one.value == SAN]


@pytest.mark.parametrize("bits", [1024, 2048])
def test_weak_keys_are_refused(bits: int) -> None:
    weak = rsa_key(bits)
    assert reason(csr(weak)) is RefusalReason.KEY_WEAK


def test_other_refusals_have_their_reasons() -> None:
    assert reason(csr(), lifetime="30y") is RefusalReason.OUTLIVES_ROOT
    assert reason(csr(), maxPathLength=2) is RefusalReason.PATH_LENGTH
    assert reason(csr(extensions=[(BASIC, True)])) is RefusalReason.PATH_LENGTH
    assert reason(csr(), {"nameConstraints": PERMITTED}, nameConstraints=OUTSIDE) is (
        RefusalReason.OUTSIDE_CONSTRAINTS
    )
    assert reason(csr(name="Example Root CA")[:-60]) is RefusalReason.REQUEST


def test_a_key_is_signed_for_one_ca_only() -> None:
    ledger, key = new_root()
    ledger = sign(plan_signing(ledger, read_ca_request(csr(KEY)), sign_wish(), NOW), ledger, key, NOW)
    for pem, expected in (
        (csr(KEY, name="Other CA"), RefusalReason.KEY_REUSED),
        (csr(key, name="Other CA"), RefusalReason.KEY_REUSED),
    ):
        with pytest.raises(RootRefusal) as refused:
            plan_signing(ledger, read_ca_request(pem), sign_wish(), NOW)
        assert refused.value.reason is expected
    with pytest.raises(RootRefusal) as refused:
        plan_signing(ledger, read_ca_request(csr(KEY)), sign_wish(lifetime="1y"), NOW)
    assert refused.value.reason is RefusalReason.SIGNED_OTHERWISE
    assert plan_signing(ledger, read_ca_request(csr(KEY)), sign_wish(), NOW).existing is not None
    again = sign_wish(lifetime="1y", renew=True)
    assert plan_signing(ledger, read_ca_request(csr(KEY)), again, NOW).existing is None


def test_a_root_of_openssl_is_taken_over(place: Place) -> None:
    from datetime import UTC, datetime

    place.now = datetime.now(UTC)  # OpenSSL signs by the machine's clock
    place.key(rsa_key(), "plain.key")
    openssl("pkey", "-in", "plain.key", "-aes256", "-passout", "pass:an older one", "-out", "ca.key")
    place.secret("old", "an older one")
    words = ["-x509", "-passin", "pass:an older one", "-days", "3000", "-subj", "/O=Old/CN=Old Root"]
    openssl("req", *words, *CA_USAGE, "-key", "ca.key", "-out", "ca.crt")
    took = ["--from-certificate", "ca.crt", "--from-passphrase-file", "old", "--from-key", "ca.key"]
    done = place.unlocked("init", *took)
    assert done.exit_code == 0, done.output
    place.csr()
    place.sign("env.csr", "--lifetime", "1y")
    assert place.unlocked("crl").exit_code == 0
    assert place.run("verify").exit_code == 0
    openssl("verify", "-CAfile", "ca.crt", "env.pem")


@pytest.mark.parametrize(
    ("size", "digest", "weak"), [(1024, "-sha256", True), (2048, "-sha256", False), (3072, "-sha1", False)]
)
def test_a_weak_root_that_was_taken_over_signs_nothing_or_says_it_each_time(
    place: Place, size: int, digest: str, weak: bool
) -> None:
    from datetime import UTC, datetime

    place.now = datetime.now(UTC)  # OpenSSL signs by the machine's clock
    place.key(rsa_key(size))
    words = ["-x509", digest, "-days", "3000", "-subj", "/O=Old/CN=Old Root"]
    openssl("req", *words, *CA_USAGE, "-key", "ca.key", "-out", "ca.crt")
    took = place.json("init", "--from-certificate", "ca.crt", "--from-key", "ca.key")
    assert took["notes"]
    place.csr()
    planned = place.json("sign", "env.csr", "--lifetime", "1y", "--dry-run", code=1 if weak else 0)
    if weak:
        assert planned["refused"] == "KeyWeak"
        assert "The root's own key" in planned["message"]
    else:
        assert any(one.startswith("The root's own certificate") for one in planned["signed"][0]["notes"])
    assert place.unlocked("crl").exit_code == 0


def test_the_key_of_another_root_is_refused(place: Place) -> None:
    for name in ("one", "two"):
        words = ["-x509", *NEW_KEY, "-days", "3000", "-subj", f"/CN={name}"]
        openssl("req", *words, "-keyout", f"{name}.key", "-out", f"{name}.crt")
    took = ["--from-key", "one.key", "--from-certificate", "two.crt"]
    assert place.json("init", *took, code=1)["refused"] == "WrongKey"
    assert not place.root.exists()
