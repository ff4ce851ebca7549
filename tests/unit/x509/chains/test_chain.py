"""Chains are found in any heap, and every link of them holds."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from issuer.x509.certificates import read_certificates
from issuer.x509.chains.anchors import Anchors
from issuer.x509.chains.chain import build_chain, candidate_chains, signing_ca
from issuer.x509.describe import fingerprint
from issuer.x509.errors import ChainError
from tests.rsa_keys import rsa_key

if TYPE_CHECKING:
    from tests.unit.x509.conftest import Make


def test_any_order_of_the_pool_gives_the_same_chain(make: Make) -> None:
    root = make.root()
    inter = root.authority("Int")
    leaf = inter.sign(make.Template())
    stranger = make.root("Stranger").certificate
    for pool in itertools.permutations([root.certificate, inter.certificate, stranger, leaf]):
        chain = build_chain(leaf, pool, make.NOW)
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
    chain = build_chain(leaf, [root.certificate], make.NOW)
    assert (chain.intermediates, chain.top, chain.complete) == ((), root.certificate, True)
    assert chain.certificate_pem.encode() == make.pem(leaf)


def test_without_the_root_the_topmost_ca_known_is_the_top(make: Make) -> None:
    upper = make.root().authority("Upper")
    lower = upper.authority("Lower")
    leaf = lower.sign(make.Template())
    chain = build_chain(leaf, [upper.certificate, lower.certificate], make.NOW)
    assert not chain.complete
    assert chain.top == upper.certificate
    assert chain.certificate_pem.encode() == make.pem(leaf, lower.certificate, upper.certificate)
    assert chain.ca_pem.encode() == make.pem(upper.certificate)


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_other_signature_algorithms_hold_too(make: Make, kind: str) -> None:
    key = rsa_key() if kind == "rsa" else ed25519.Ed25519PrivateKey.generate()
    root = make.root(key=key)
    inter = root.authority("Int")
    chain = build_chain(inter.sign(make.Template()), [inter.certificate, root.certificate], make.NOW)
    assert chain.complete


def test_of_cas_with_the_same_name_the_one_whose_key_signed_is_taken(make: Make) -> None:
    root = make.root()
    right, wrong = root.authority("Int"), root.authority("Int")
    leaf = right.sign(make.Template())
    chain = build_chain(leaf, [wrong.certificate, root.certificate, right.certificate], make.NOW)
    assert chain.intermediates == (right.certificate,)
    with pytest.raises(ChainError, match="signature doesn't verify"):
        build_chain(leaf, [wrong.certificate, root.certificate], make.NOW)


def test_a_root_of_the_same_name_with_another_key_is_not_the_root(make: Make) -> None:
    inter = make.root("Root").authority("Int")
    chain = build_chain(
        inter.sign(make.Template()), [inter.certificate, make.root("Root").certificate], make.NOW
    )
    assert not chain.complete
    assert chain.top == inter.certificate


class Crossed:
    """A leaf below one intermediate; its root New is also signed by the root Old."""

    def __init__(self, make: Make, *, old: int = 300, new: int = 300, begins: int = -365) -> None:
        """`old` and `new` are the days until those roots end, `begins` those until the new one begins."""
        root, key = make.root("Old", template=make.CA.but(end=make.NOW + old * make.DAY)), make.key()
        times = {"begin": make.NOW + begins * make.DAY, "end": make.NOW + new * make.DAY}
        above = make.root("New", key=key, template=make.CA.but(**times))
        inter = above.authority("Int")
        self.old, self.new, self.inter = root.certificate, above.certificate, inter.certificate
        self.cross = root.authority("New", key=key).certificate
        self.sign = inter.sign
        self.leaf = inter.sign(make.Template())


def test_of_several_ways_up_the_first_in_the_pools_order_is_taken(make: Make) -> None:
    by = Crossed(make)
    by_new, by_old = (by.inter, by.new), (by.inter, by.cross, by.old)
    for pool, wanted in (
        ([by.inter, by.new, by.cross, by.old], by_new),
        ([by.inter, by.cross, by.old, by.new], by_old),
        ([by.old, by.new, by.inter, by.cross], by_new),
        ([by.inter, by.cross, by.old], by_old),
    ):
        assert build_chain(by.leaf, pool, make.NOW).cas == wanted
        found = signing_ca([by.inter, *pool], make.NOW)
        assert found.ways[0].cas == wanted
    assert found.roots == (by.old,)


@pytest.mark.parametrize(
    ("old", "new", "begins"),
    [(-1, 300, -365), (300, 600, 30), (300, -1, -365)],
    ids=["old root ended", "new root not begun", "new root ended"],
)
def test_no_way_leads_through_a_ca_that_has_ended_or_not_begun(
    make: Make, old: int, new: int, begins: int
) -> None:
    by = Crossed(make, old=old, new=new, begins=begins)
    good = by.new if old < 0 else by.old
    for pool in itertools.permutations([by.inter, by.new, by.cross, by.old]):
        assert build_chain(by.leaf, pool, make.NOW).top == good
        found = signing_ca([by.inter, *pool], make.NOW)
        assert found.roots == (good,)
        assert found.is_current(make.NOW)


def test_a_complete_way_that_has_ended_gives_way_to_one_without_a_root(make: Make) -> None:
    # What Vault serves first is what the status shows; what a leaf gets was another chain once, and refused.
    key, late = make.key(), make.root("Root").authority("Int", key=(shared := make.key()))
    early = make.root("Old", key=key, template=make.CA.but(end=make.NOW - make.DAY))
    old = early.authority("Int", key=shared).certificate
    leaf = late.sign(make.Template())
    pool = [late.certificate, old, early.certificate]
    assert build_chain(leaf, pool, make.NOW).cas == (late.certificate,)
    assert signing_ca(pool, make.NOW).not_after == late.certificate.not_valid_after_utc


def test_a_leaf_gets_the_first_way_that_lasts_as_long_as_it(make: Make) -> None:
    by = Crossed(make, old=30, new=300)
    pool = [by.inter, by.cross, by.old, by.new]
    assert build_chain(by.leaf, pool, make.NOW).top == by.old
    longer = by.sign(make.Template(end=make.NOW + 90 * make.DAY))
    assert build_chain(longer, pool, make.NOW).top == by.new
    # Nothing lasts that long: the way that comes nearest is judged.
    longest = by.sign(make.Template(end=make.NOW + 900 * make.DAY))
    assert build_chain(longest, pool, make.NOW).top == by.new
    # So the CA's end, by which requests are refused or shortened, is that of the way that lasts longest.
    found = signing_ca(pool, make.NOW)
    assert found.not_after == make.NOW + 300 * make.DAY
    assert found.roots == (by.old, by.new)


def test_a_way_with_an_anchor_is_taken_before_one_with_a_root(make: Make) -> None:
    # The old root is not at hand, so its way ends below it; the new one came with its root.
    key, shared = make.key(), make.key()
    old = make.root("Old").authority("Int", key=shared).certificate
    new = make.root("New", key=key)
    inter = new.authority("Int", key=shared)
    leaf, pool = inter.sign(make.Template()), [inter.certificate, new.certificate, old]
    assert build_chain(leaf, pool, make.NOW).top == new.certificate
    trusted = Anchors.from_hex([fingerprint(old)])
    assert candidate_chains(leaf, pool, make.NOW, trusted)[0].cas == (old,)
    assert signing_ca(pool, make.NOW, trusted).ways[0].cas == (old,)
    # With none at all, what is there is told by whoever asked for an anchor.
    none = Anchors.from_hex(["00" * 32])
    assert candidate_chains(leaf, pool, make.NOW, none)[0].top == new.certificate


def test_with_no_current_way_the_chain_is_still_told(make: Make) -> None:
    by = Crossed(make, old=-1, new=-2)
    found = signing_ca([by.inter, by.new, by.cross, by.old], make.NOW)
    assert not found.is_current(make.NOW)
    assert build_chain(by.leaf, [by.inter, by.new, by.cross, by.old], make.NOW).complete


@pytest.mark.parametrize("first", [0, 1])
def test_two_certificates_of_the_signing_ca_are_two_ways(make: Make, first: int) -> None:
    root, key = make.root(), make.key()
    early = root.authority("Int", key=key, template=make.CA.but(end=make.NOW - make.DAY))
    late = root.authority("Int", key=key)
    leaf = late.sign(make.Template())
    pool = [one.certificate for one in ([early, late, root], [late, early, root])[first]]
    chain = build_chain(leaf, pool, make.NOW)
    assert chain.intermediates == (late.certificate,)
    assert signing_ca(pool, make.NOW).not_after == chain.not_after == late.certificate.not_valid_after_utc


def test_an_authority_that_may_not_sign_has_no_way_up(make: Make) -> None:
    root = make.root(template=make.CA.but(path_length=0))
    inter = root.authority("Int")
    with pytest.raises(ChainError, match="allows 0 CAs below it"):
        signing_ca([inter.certificate, root.certificate], make.NOW)
    assert signing_ca([inter.certificate], make.NOW).roots == ()


def test_cas_that_signed_each_other_end_the_search(make: Make) -> None:
    a_key, b_key = make.key(), make.key()
    a_seed, b_seed = make.root("A", key=a_key), make.root("B", key=b_key)
    a_by_b = b_seed.authority("A", key=a_key)
    b_by_a = a_seed.authority("B", key=b_key)
    leaf = a_by_b.sign(make.Template())
    chain = build_chain(leaf, [b_by_a.certificate, a_by_b.certificate], make.NOW)
    assert not chain.complete
    assert chain.cas == (a_by_b.certificate, b_by_a.certificate)


@pytest.mark.parametrize(("allowed", "holds"), [(0, False), (1, True)])
def test_path_length_is_held(make: Make, allowed: int, holds: bool) -> None:
    root = make.root(template=make.CA.but(path_length=allowed))
    inter = root.authority("Int")
    leaf = inter.sign(make.Template())
    pool = [root.certificate, inter.certificate]
    if holds:
        assert build_chain(leaf, pool, make.NOW).complete
    else:
        with pytest.raises(ChainError, match="allows 0 CAs below it, but the chain has 1"):
            build_chain(leaf, pool, make.NOW)


def test_a_self_issued_ca_does_not_count_for_the_path_length(make: Make) -> None:
    root = make.root("Root", template=make.CA.but(path_length=0))
    rolled = root.authority("Root")
    leaf = rolled.sign(make.Template())
    assert build_chain(leaf, [root.certificate, rolled.certificate], make.NOW).complete


@pytest.mark.parametrize("template", [{"ca": False}, {"basic": False}])
def test_a_signer_that_is_no_ca_breaks_the_chain(make: Make, template: dict[str, bool]) -> None:
    root = make.root()
    fake = root.authority("Fake", template=make.CA.but(**template))
    with pytest.raises(ChainError, match="CN=Fake signed the certificate below it, but is not a CA"):
        build_chain(fake.sign(make.Template()), [fake.certificate, root.certificate], make.NOW)


def test_a_ca_that_may_not_sign_certificates_breaks_the_chain(make: Make) -> None:
    root = make.root()
    weak = root.authority("Weak", template=make.CA.but(usages=["crl_sign"]))
    with pytest.raises(ChainError, match="key usage doesn't allow"):
        build_chain(weak.sign(make.Template()), [weak.certificate, root.certificate], make.NOW)
    plain = root.authority("Plain", template=make.CA.but(usages=[]))
    assert build_chain(plain.sign(make.Template()), [plain.certificate, root.certificate], make.NOW).complete


def test_a_leaf_without_any_ca_is_refused_with_the_reason(make: Make) -> None:
    root = make.root()
    with pytest.raises(ChainError, match="the CA's own certificate is missing"):
        build_chain(root.sign(make.Template()), [], make.NOW)
    with pytest.raises(ChainError, match="self-signed"):
        build_chain(root.certificate, [root.certificate], make.NOW)


def test_a_certificate_changed_after_signing_is_refused(make: Make) -> None:
    root = make.root()
    text = make.pem(root.sign(make.Template()))
    der = bytearray(next(iter(read_certificates(text))).public_bytes(make.DER))
    der[der.rfind(b"web.example")] ^= 1
    changed = make.load(bytes(der))
    with pytest.raises(ChainError, match="signature doesn't verify"):
        build_chain(changed, [root.certificate], make.NOW)


def test_a_chain_that_is_too_long_is_refused(make: Make) -> None:
    authority = make.root()
    pool = [authority.certificate]
    for number in range(10):
        authority = authority.authority(f"Int {number}")
        pool.append(authority.certificate)
    with pytest.raises(ChainError, match="at most 10"):
        build_chain(authority.sign(make.Template()), pool, make.NOW)
    with pytest.raises(ChainError, match="more than 64"):
        build_chain(pool[-1], [make.root(str(n), key=authority.key).certificate for n in range(65)], make.NOW)


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
        build_chain(seeds[0].sign(make.Template()), pool, make.NOW)
