"""CAs that Vault takes and the library doesn't read whole: told in words, in bundles and where they stand."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography import x509

from issuer.pki.authorities.bundles import BadBundle, keyed_ca
from issuer.pki.authorities.chains import chain_problems
from issuer.pki.authorities.limits import limits_of
from tests import odd_certificates

NOW = datetime(2026, 11, 27, tzinfo=UTC)
SHAPES = ("T61String in Latin-1", "doubled attribute", "X.400 name", "key identifier that is no DER")


@pytest.mark.parametrize("shape", SHAPES)
def test_an_odd_ca_in_a_bundle_is_told_with_its_line(shape: str) -> None:
    above, own, _, _ = odd_certificates.chain(shape, as_root=False)
    _, key, _ = odd_certificates.keys(rsa_key=False)
    text = odd_certificates.pem(own, above) + odd_certificates.key_pem(key)
    with pytest.raises(
        BadBundle, match=r"of the certificate that begins here its .+ can't be read: "
    ) as told:
        keyed_ca(text.encode())
    assert told.value.line == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_an_odd_ca_in_vault_bounds_nothing_and_is_told_by_verify(shape: str) -> None:
    above, own, _, _ = odd_certificates.chain(shape, as_root=False)
    limits = limits_of([x509.load_der_x509_certificate(one) for one in (own, above)])
    assert (limits.path_length, limits.permitted, limits.end > NOW) == (None, (), True)
    read = {"key_id": "k", "ca_chain": [odd_certificates.pem(own), odd_certificates.pem(above)]}
    (told,) = chain_problems(read, NOW, whole=True)
    assert told.startswith("of certificate 1 of its chain its ")
