"""Chains are found in any heap, and every link of them holds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from issuer.x509.chain import build_chain, read_certificates
from issuer.x509.errors import ChainError

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Make


def test_any_order_of_the_pool_gives_the_same_chain(make: Make) -> None:
    root = make.root()
    inter = root.authority("Int")
    leaf = inter.sign(make.Template())
    stranger = make.root("Stranger").certificate
    for pool in itertools.permutations([root.certificate, inter.certificate, stranger, leaf]):
        chain = build_chain(leaf, pool)
        assert chain.complete
        assert chain.intermediates == (inter.certificate,)
        assert chain.top == root.certificate
        assert chain.cas == (inter.certificate, root.certificate)
    assert chain.certificate_pem.encode() == make.pem(leaf, inter.certificate)
    assert chain.ca_pem.encode() == make.pem(root.certificate)
    assert read_certificates(chain.certificate_pem) == (leaf, inter.certificate)


def test_a_root_may_sign_the_leaf_itself(make: Make) -> None:
    root = make.root()
    leaf = root.sign(make.Template())
    chain = build_chain(leaf, [root.certificate])
    assert (chain.intermediates, chain.top, chain.complete) == ((), root.certificate, True)
    assert chain.certificate_pem.encode() == make.pem(leaf)


def test_without_the_root_the_topmost_ca_known_is_the_top(make: Make) -> None:
    upper = make.root().authority("Upper")
    lower = upper.authority("Lower")
    leaf = lower.sign(make.Template())
    chain = build_chain(leaf, [upper.certificate, lower.certificate])
    assert not chain.complete
    assert chain.top == upper.certificate
    assert chain.certificate_pem.encode() == make.pem(leaf, lower.certificate, upper.certificate)
    assert chain.ca_pem.encode() == make.pem(upper.certificate)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_signature_algorithms_hold_too(make: Make, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
    root = make.root(key=key)
    inter = root.authority("Int")
    chain = build_chain(inter.sign(make.Template()), [inter.certificate, root.certificate])
    assert chain.complete


def test_of_cas_with_the_same_name_the_one_whose_key_signed_is_taken(make: Make) -> None:
    root = make.root()
    right, wrong = root.authority("Int"), root.authority("Int")
    leaf = right.sign(make.Template())
    chain = build_chain(leaf, [wrong.certificate, root.certificate, right.certificate])
    assert chain.intermediates == (right.certificate,)
    with pytest.raises(ChainError, match="signature doesn't verify"):
        build_chain(leaf, [wrong.certificate, root.certificate])


def test_a_root_of_the_same_name_with_another_key_is_not_the_root(make: Make) -> None:
    inter = make.root("Root").authority("Int")
    chain = build_chain(inter.sign(make.Template()), [inter.certificate, make.root("Root").certificate])
    assert not chain.complete
    assert chain.top == inter.certificate


def test_a_cross_signed_root_gives_the_shorter_complete_chain(make: Make) -> None:
    old, key = make.root("Old"), make.key()
    new = make.root("New", key=key)
    crossed = old.authority("New", key=key)
    inter = new.authority("Int")
    leaf = inter.sign(make.Template())
    pool = [crossed.certificate, old.certificate, inter.certificate, new.certificate]
    for order in itertools.permutations(pool):
        assert build_chain(leaf, order).cas == (inter.certificate, new.certificate)
    # With the new root away, the old one still completes the chain.
    chain = build_chain(leaf, pool[:3])
    assert chain.cas == (inter.certificate, crossed.certificate, old.certificate)
    assert chain.complete


def test_of_two_ways_up_the_one_that_ends_later_is_taken(make: Make) -> None:
    root, key = make.root(), make.key()
    early = root.authority("Int", key=key, template=make.CA.but(end=make.NOW + make.DAY))
    late = root.authority("Int", key=key)
    leaf = late.sign(make.Template())
    for pool in ([early, late, root], [late, early, root]):
        chain = build_chain(leaf, [authority.certificate for authority in pool])
        assert chain.intermediates == (late.certificate,)
        assert chain.not_after == late.certificate.not_valid_after_utc


def test_cas_that_signed_each_other_end_the_search(make: Make) -> None:
    a_key, b_key = make.key(), make.key()
    a_seed, b_seed = make.root("A", key=a_key), make.root("B", key=b_key)
    a_by_b = b_seed.authority("A", key=a_key)
    b_by_a = a_seed.authority("B", key=b_key)
    leaf = a_by_b.sign(make.Template())
    chain = build_chain(leaf, [b_by_a.certificate, a_by_b.certificate])
    assert not chain.complete
    assert chain.cas == (a_by_b.certificate, b_by_a.certificate)


@pytest.mark.parametrize(("allowed", "holds"), [(0, False), (1, True)])
def test_path_length_is_held(make: Make, allowed: int, holds: bool) -> None:
    root = make.root(template=make.CA.but(path_length=allowed))
    inter = root.authority("Int")
    leaf = inter.sign(make.Template())
    pool = [root.certificate, inter.certificate]
    if holds:
        assert build_chain(leaf, pool).complete
    else:
        with pytest.raises(ChainError, match="allows 0 CAs below it, but the chain has 1"):
            build_chain(leaf, pool)


def test_a_self_issued_ca_does_not_count_for_the_path_length(make: Make) -> None:
    root = make.root("Root", template=make.CA.but(path_length=0))
    rolled = root.authority("Root")
    leaf = rolled.sign(make.Template())
    assert build_chain(leaf, [root.certificate, rolled.certificate]).complete


@pytest.mark.parametrize("template", [{"ca": False}, {"basic": False}])
def test_a_signer_that_is_no_ca_breaks_the_chain(make: Make, template: dict[str, bool]) -> None:
    root = make.root()
    fake = root.authority("Fake", template=make.CA.but(**template))
    with pytest.raises(ChainError, match="CN=Fake signed the certificate below it, but is not a CA"):
        build_chain(fake.sign(make.Template()), [fake.certificate, root.certificate])


def test_a_ca_that_may_not_sign_certificates_breaks_the_chain(make: Make) -> None:
    root = make.root()
    weak = root.authority("Weak", template=make.CA.but(usages=["crl_sign"]))
    with pytest.raises(ChainError, match="key usage doesn't allow"):
        build_chain(weak.sign(make.Template()), [weak.certificate, root.certificate])
    plain = root.authority("Plain", template=make.CA.but(usages=[]))
    assert build_chain(plain.sign(make.Template()), [plain.certificate, root.certificate]).complete


def test_a_leaf_without_any_ca_is_refused_with_the_reason(make: Make) -> None:
    root = make.root()
    with pytest.raises(ChainError, match="the CA's own certificate is missing"):
        build_chain(root.sign(make.Template()), [])
    with pytest.raises(ChainError, match="self-signed"):
        build_chain(root.certificate, [root.certificate])


def test_a_certificate_changed_after_signing_is_refused(make: Make) -> None:
    root = make.root()
    text = make.pem(root.sign(make.Template()))
    der = bytearray(next(iter(read_certificates(text))).public_bytes(make.DER))
    der[der.rfind(b"web.example")] ^= 1
    changed = make.load(bytes(der))
    with pytest.raises(ChainError, match="signature doesn't verify"):
        build_chain(changed, [root.certificate])


def test_a_chain_that_is_too_long_is_refused(make: Make) -> None:
    authority = make.root()
    pool = [authority.certificate]
    for number in range(10):
        authority = authority.authority(f"Int {number}")
        pool.append(authority.certificate)
    with pytest.raises(ChainError, match="at most 10"):
        build_chain(authority.sign(make.Template()), pool)
    with pytest.raises(ChainError, match="more than 64"):
        build_chain(pool[-1], [make.root(str(n), key=authority.key).certificate for n in range(65)])


def test_a_heap_made_to_cost_time_is_given_up(make: Make) -> None:
    keys = [make.key() for _ in range(7)]
    seeds = [make.root(f"R{n}", key=key) for n, key in enumerate(keys)]
    # Everyone signed everyone: thousands of ways up, and none of them ends in a root.
    pool = [
        signer.authority(f"R{n}", key=key).certificate
        for signer in seeds
        for n, key in enumerate(keys)
        if signer.key is not key
    ]
    with pytest.raises(ChainError, match="too entangled"):
        build_chain(seeds[0].sign(make.Template()), pool)
