"""What is told of a CA with several ways up, and that a request gets one that holds."""

from __future__ import annotations

import base64
import dataclasses
from datetime import timedelta

import pytest
from cryptography import x509

from issuer.api.issuers import VaultIssuerSpec
from issuer.controller.issuers.ca_chains import ca_facts
from issuer.controller.state.health.ca_expiry import CAExpired, check_not_expired
from issuer.signing.outcomes import IssuerBroken
from issuer.signing.vault.profile import signing_profile
from issuer.x509.encoding.pem import write_pem
from tests.builders import NOW, issuer_object
from tests.ca import TestCA
from tests.unit.controller.bench import Bench
from tests.unit.x509.conftest import CA, Authority, new_key, pem, root

DAY = timedelta(days=1)
PATH = "pki_int/sign/lab"
PROFILE = signing_profile(VaultIssuerSpec.parse(issuer_object(path=PATH)["spec"]))


def of(days: int, *, begins: int = -1, **more: object) -> Authority:
    """A root that ends so many days after NOW."""
    return root(f"Root {days}", template=CA.but(begin=NOW + begins * DAY, end=NOW + days * DAY, **more))


def crossed(*roots: Authority) -> tuple[x509.Certificate, ...]:
    """An intermediate of 2,000 days, certified by each of the roots."""
    key, template = new_key(), CA.but(begin=NOW - DAY, end=NOW + 2000 * DAY)
    return tuple(one.authority("Int", key=key, template=template).certificate for one in roots)


def served(*certificates: x509.Certificate) -> str:
    return pem(*certificates).decode()


def test_two_current_roots_are_told_with_what_ca_crt_holds() -> None:
    old, new = of(30), of(900)
    by_old, by_new = crossed(old, new)
    facts = ca_facts(served(by_old, old.certificate, by_new, new.certificate), PATH, PROFILE, NOW)
    assert facts.not_after == NOW + 900 * DAY
    (text,) = facts.warnings
    assert "ca.crt holds CN=Root 30 (until 2026-" in text
    assert "gets CN=Root 900 (until 20" in text
    assert "manual_chain" in text
    # One root that signed twice is one root, and one that has ended is none.
    twice = crossed(new, new)
    assert ca_facts(served(*twice, new.certificate), PATH, PROFILE, NOW).warnings == ()
    later = ca_facts(served(by_old, old.certificate, by_new, new.certificate), PATH, PROFILE, NOW + 31 * DAY)
    assert later.warnings == ()
    assert later.not_after == NOW + 900 * DAY


def test_the_certificate_that_vault_signs_by_bounds_the_others_of_its_key() -> None:
    # Whatever chain a leaf would get: beyond that end Vault refuses to sign.
    top, key = of(900), new_key()
    first, renewed = (
        top.authority("Int", key=key, template=CA.but(begin=NOW - DAY, end=NOW + days * DAY)).certificate
        for days in (10, 400)
    )
    facts = ca_facts(served(first, renewed, top.certificate), PATH, PROFILE, NOW)
    assert facts.not_after == NOW + 10 * DAY
    (text,) = facts.warnings
    assert "signs by a certificate that expires at 2026-" in text
    assert "make that one the issuer" in text
    turned = ca_facts(served(renewed, first, top.certificate), PATH, PROFILE, NOW)
    assert (turned.not_after, turned.warnings) == (NOW + 400 * DAY, ())


def test_a_ca_none_of_whose_certificates_could_be_delivered_is_told_ahead() -> None:
    coming = of(900, begins=5)
    (inter,) = crossed(coming)
    with pytest.raises(IssuerBroken, match=r"begins at .*compare the clocks") as error:
        ca_facts(served(inter, coming.certificate), PATH, PROFILE, NOW)
    assert error.value.reason == "InvalidCAChain"
    narrow = of(900, path_length=0)
    (inter,) = crossed(narrow)
    with pytest.raises(IssuerBroken, match=r"would have a valid chain: .*allows 0 CAs below it"):
        ca_facts(served(inter, narrow.certificate), PATH, PROFILE, NOW)


def test_a_parent_that_has_expired_is_told_by_its_name() -> None:
    ended = of(-1, begins=-900)
    (inter,) = crossed(ended)
    facts = ca_facts(served(inter, ended.certificate), PATH, PROFILE, NOW)
    assert (facts.not_after, facts.first_to_end) == (NOW - DAY, "CN=Root -1")
    with pytest.raises(CAExpired, match=r"CN=Root -1 in the chain of the CA behind pki_int/sign/lab expired"):
        check_not_expired(facts.validity(PATH), None, NOW)
    # Where another root has certified the CA, too, it signs on.
    other = of(900)
    by_ended, by_other = crossed(ended, other)
    pem_bundle = served(by_ended, ended.certificate, by_other, other.certificate)
    facts = ca_facts(pem_bundle, PATH, PROFILE, NOW)
    check_not_expired(facts.validity(PATH), None, NOW)


def test_a_ca_that_nobody_can_read_is_left_out_and_told_unless_it_signs() -> None:
    top = of(900)
    (inter,) = crossed(top)
    unreadable = write_pem("CERTIFICATE", b"\x30\x03\x02\x01\x00")
    (text,) = ca_facts(served(inter) + unreadable + served(top.certificate), PATH, PROFILE, NOW).warnings
    assert text.startswith(f"left out of the chain of the CA behind {PATH}: certificate 2 (SHA-256 ")
    assert "can't be read" in text
    with pytest.raises(
        IssuerBroken, match=r"can't be read: certificate 1 \(SHA-256 .*can't be read"
    ) as error:
        ca_facts(unreadable + served(inter, top.certificate), PATH, PROFILE, NOW)
    assert error.value.reason == "InvalidCAChain"


@pytest.mark.parametrize("bound_first", [True, False])
async def test_a_way_whose_cas_may_not_sign_the_name_is_left_for_another(
    bench: Bench, ca: TestCA, bound_first: bool
) -> None:
    bound = root("Bound", template=CA.but(extra=[x509.NameConstraints([x509.DNSName("else.test")], None)]))
    name = "Test Intermediate"
    by_bound = bound.authority(name, key=ca.key, template=CA.but(end=NOW + 900 * DAY)).certificate
    ways = [served(by_bound, bound.certificate), served(ca.intermediate, ca.root)]
    bench.with_ready_issuer().with_request()
    bench.signer.signs.append(
        lambda request: dataclasses.replace(
            ca.sign(request.csr_pem), ca_pems="".join(ways if bound_first else reversed(ways))
        )
    )
    bench.kube.accepts_status()
    await bench.reconcile()
    assert bench.ready["reason"] == "Issued", bench.ready
    delivered = base64.b64decode(bench.kube.written[-1]["status"]["ca"])
    assert delivered == pem(ca.root)
