"""Another root is signed in place of a CSR: clients of the old one verify what stands below the new one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from issuer.root.ceremony.signing import plan_signing, sign
from issuer.root.certificates.requests import read_ca_request
from issuer.root.errors import RootRefusal
from issuer.root.reasons import RefusalReason
from issuer.x509.chains.chain import signing_ca
from tests.pki import cas
from tests.unit.root.support import NOW, Place, csr, new_root, sign_wish, verified_by_openssl

NEW: dict[str, Any] = {"subject": {"commonName": "Example Root CA 2"}}
NARROW: dict[str, Any] = {"maxPathLength": 1}
BOUND = {"permitted": {"dnsNames": ["a.test"]}}


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def refused(given: bytes, root: dict[str, Any], **wish: Any) -> RefusalReason:
    with pytest.raises(RootRefusal) as caught:
        plan_signing(new_root(**root)[0], read_ca_request(given), sign_wish(**wish), NOW)
    return caught.value.reason


def test_what_stands_below_the_new_root_leads_to_the_old_one() -> None:
    """With the names that the new root is bound to."""
    (old, old_key), (new, new_key) = new_root(), new_root(**NEW, nameConstraints=BOUND)
    plan = plan_signing(old, read_ca_request(pem(new.root)), sign_wish(maxPathLength=1), NOW)
    crossed = sign(plan, old, old_key, NOW).signed[-1].certificate
    below = sign(plan_signing(new, read_ca_request(csr()), sign_wish(), NOW), new, new_key, NOW).signed[-1]
    (way,) = signing_ca([below.certificate, crossed, old.root], NOW).ways
    assert way.cas == (below.certificate, crossed, old.root)
    for kind in (x509.SubjectKeyIdentifier, x509.NameConstraints):
        own, given = (one.extensions.get_extension_for_class(kind) for one in (new.root, crossed))
        assert own.value == given.value


def test_the_key_identifier_is_the_roots_own() -> None:
    old, _ = new_root()
    odd = x509.SubjectKeyIdentifier(b"of an older tool")
    other = cas.root("Odd Root", key_id=odd)
    plan = plan_signing(old, read_ca_request(other.pem.encode()), sign_wish(maxPathLength=1), NOW)
    assert plan.sample.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value == odd


def test_what_would_help_no_client_is_refused() -> None:
    new, old = new_root(**NEW)[0].root, new_root()[0]
    assert refused(pem(new), NARROW, maxPathLength=1) is RefusalReason.PATH_LENGTH
    assert refused(pem(new), NARROW) is RefusalReason.PATH_LENGTH
    assert refused(pem(new), {}) is RefusalReason.PATH_LENGTH
    with pytest.raises(RootRefusal) as own:
        plan_signing(old, read_ca_request(pem(old.root)), sign_wish(maxPathLength=1), NOW)
    assert own.value.reason is RefusalReason.KEY_REUSED


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (cas.root("Root").below("CA").pem, "no root; have the CA itself make a CSR"),
        (cas.root("Root", path_length=0).pem, "its path length is 0"),
        (cas.root("Root").pem * 2, "one root"),
        (cas.root("Root").pem[:-80], "can be read"),
    ],
    ids=["signed-by-another", "signs-no-ca", "two", "cut"],
)
def test_what_is_no_root_is_refused(given: str, said: str) -> None:
    with pytest.raises(RootRefusal, match=said):
        read_ca_request(given.encode())


def test_a_person_cross_signs_by_the_command(place: Place) -> None:
    place.init()
    new, key = new_root(**NEW)
    (place.path / "root-2.pem").write_bytes(pem(new.root))
    read = place.json("inspect", "root-2.pem")["spkiSHA256"]
    words = ["root-2.pem", "--yes", "--spki-sha256", read, "--path-length", "1", "--lifetime", "5y"]
    assert place.json("sign", *words, code=1)["refused"] == "FileExists"
    (signed,) = place.json("sign", *words, "--out", "crossed.pem")["signed"]
    assert (signed["issuer"], signed["pathLength"]) == ("CN=Example Root CA", 1)
    assert place.json("sign", *words, "--out", "crossed.pem")["signed"][0]["existing"]
    below = sign(plan_signing(new, read_ca_request(csr()), sign_wish(), NOW), new, key, NOW).signed[-1]
    Path("env.pem").write_bytes(pem(below.certificate))
    verified_by_openssl(place.root / "root.pem", Path("env.pem"), "-untrusted", "crossed.pem")
    verified_by_openssl(Path("root-2.pem"), Path("env.pem"))
    assert place.run("verify").exit_code in (0, 3)
