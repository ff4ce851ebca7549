"""Java truststores, by the real `keytool`."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates

from issuer.trust.errors import StoreFailed, StoreNotUsable
from issuer.trust.installing import TrustAct, apply, plan_install, plan_removal
from issuer.trust.roots import TrustRoot
from issuer.trust.stores.java import JavaStore
from tests.builders import NOW, csr_pem
from tests.ca import TestCA
from tests.unit.trust.roots import make_root, needs_keytool

pytestmark = needs_keytool


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A truststore that isn't there yet."""
    return tmp_path / "cacerts"


def test_truststore_is_made_added_to_by_keytool_and_taken_from(path: Path) -> None:
    store, old, new = JavaStore(path), make_root(), make_root(number=1)
    assert [one.act for one in apply(plan_install([store], [old, new]))] == [TrustAct.INSTALLED] * 2
    steps = plan_removal([store], [old.sha256], NOW, ended=False, every=False)
    assert [one.act for one in apply(steps)] == [TrustAct.REMOVED]
    assert store.installed() == (new,)


def test_a_root_behind_a_private_key_is_not_trusted_yet(path: Path) -> None:
    """As in a keystore that an application uses for its own certificate and as its truststore."""
    ca, key = TestCA.make(), ec.generate_private_key(ec.SECP256R1())
    csr = csr_pem("app.test", common_name="app", key=key).decode()
    own = x509.load_pem_x509_certificate(ca.sign(csr).leaf_pem.encode())
    above, protection = [ca.intermediate, ca.root], BestAvailableEncryption(b"changeit")
    path.write_bytes(serialize_key_and_certificates(b"app", key, own, above, protection))
    assert not JavaStore(path).trusts(TrustRoot(ca.root))


def test_truststore_stays_as_it_was_where_keytool_changes_more(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = JavaStore(path)
    store.add(make_root())
    before = path.read_bytes()
    monkeypatch.setattr(
        store, "_keytool", lambda copy, *words, **_: "" if "-list" in words else copy.unlink()
    )
    with pytest.raises(StoreFailed, match="left as it was"):
        store.add(make_root(number=1))
    assert path.read_bytes() == before


def test_other_password_is_told_before_anything_is_written(path: Path) -> None:
    JavaStore(path, "of the company").add(make_root())
    with pytest.raises((StoreNotUsable, StoreFailed), match="password"):
        plan_install([JavaStore(path)], [make_root(number=1)])
