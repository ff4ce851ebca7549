"""Names that readers take apart differently are never signed: not verbatim, and not on another's word."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import policy
from testbed.vaultpki import PkiLayout
from tests.integration.scope import Scope, certificates_of, sweep
from tests.integration.support import (
    only_policies,
    ready,
    signed_csrs,
    wait_answer,
    wait_issued,
    webhook_validation_withdrawn,
)
from tests.integration.test_signing_modes import VERBATIM, vault_token
from tests.unit.policy.forge import CN, ORG, attribute, csr, dns, sans, subject, tlv

SHOP = {
    "commonName": {"value": "*.shop.example.com"},
    "dnsNames": {"values": ["*.shop.example.com"]},
    "uris": {"values": ["spiffe://cluster.local/ns/shop/*"]},
    "emailAddresses": {"values": ["*@shop.example.com"]},
    "subject": {"organizations": {"values": ["*"]}},
    "usages": ["digital signature", "key encipherment"],
}
GOOD = csr(
    sans(
        *(dns("*.shop.example.com"), dns("x-1.shop.example.com"), dns("xn--bcher-kva.shop.example.com")),
        tlv(0x86, b"spiffe://cluster.local/ns/shop/sa/web.v1"),
        tlv(0x81, b"ann.lee+pki@shop.example.com"),
    ),
    name=subject(attribute(CN, "x-1.shop.example.com"), attribute(ORG, "Zürich 日本")),
)
BAD = {
    "list": csr(sans(dns("bank.com,x.shop.example.com"))),
    "space": csr(sans(dns("bank.com x.shop.example.com"))),
    "quotes": csr(sans(dns("bank.com', DNS:bank2.com, .shop.example.com"))),
    "url": csr(sans(dns("https://bank.com/.shop.example.com"))),
    "empty-label": csr(sans(dns("a..shop.example.com"))),
    "wildcards": csr(sans(dns("*.*.shop.example.com"))),
    "dots": csr(sans(tlv(0x86, b"spiffe://cluster.local/ns/shop/../admin/sa/root"))),
    "encoded-dots": csr(sans(tlv(0x86, b"spiffe://cluster.local/ns/shop/%2e%2e/admin/sa/root"))),
    "two-at": csr(sans(tlv(0x81, b"root@bank.com@shop.example.com"))),
    "brackets": csr(sans(tlv(0x81, b"<root@bank.com>@shop.example.com"))),
    "invisible": csr(name=subject(attribute(ORG, "system:\u200bmasters"))),
    "common-name": csr(name=subject(attribute(CN, "a..shop.example.com"))),
    "x400-address": csr(sans(tlv(0xA3))),
    "edi-party-name": csr(sans(tlv(0xA5))),
}


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """One controller for this module, and the shop's policy for the verbatim issuer alone."""
    shop = policy("shop", SHOP, selector={"issuerRef": {"name": "shop-*"}})
    with only_policies(bed, shop), ControllerProcess(bed) as one:
        yield one
        sweep(bed)


@pytest.fixture(scope="module")
def token(bed: Testbed, layout: PkiLayout) -> str:
    """A Vault token for both ways of signing."""
    return vault_token(bed, "names", ["pki_int/sign/*", VERBATIM, "pki_int/revoke"])


def test_verbatim_delivers_only_names_that_everybody_reads_alike(
    bed: Testbed, namespace: str, token: str, controller: ControllerProcess
) -> None:
    issuer = Scope(bed, f"shop-{namespace}", namespace)
    issuer.apply_with_token(token, path=VERBATIM)
    issuer.wait_ready()
    before = len(signed_csrs(bed, VERBATIM))
    with webhook_validation_withdrawn(bed):  # it parses with Go, which refuses some
        for name, pem in {**BAD, "good": GOOD}.items():
            issuer.request(name, csr=pem)
        for name in BAD:
            # Not Denied: cert-manager's own approver, which runs here, has approved it.
            message = ready(wait_answer(bed, name, namespace, "Failed"))["message"]
            assert message.startswith("InvalidName: "), (name, message)
    delivered = certificates_of(wait_issued(bed, "good", namespace))[0]
    assert "O=Zürich 日本" in delivered.subject.rfc4514_string()
    assert len(signed_csrs(bed, VERBATIM)) == before + 1
    assert 'vault_issuer_worker_errors_total{queue="requests"} 0.0' in controller.metrics()


def test_another_approvers_word_does_not_make_a_name_readable(
    bed: Testbed, namespace: str, token: str, controller: ControllerProcess
) -> None:
    issuer = Scope(bed, namespace, namespace)
    issuer.apply_with_token(token, {"approval": "External"}, path="pki_int/sign/lab")
    issuer.wait_ready()
    before = len(signed_csrs(bed))
    with webhook_validation_withdrawn(bed):
        for name, pem in BAD.items():
            issuer.request(name, csr=pem)
        for name in BAD:
            message = ready(wait_answer(bed, name, namespace, "Failed"))["message"]
            assert message.startswith("InvalidName: "), (name, message)
    assert len(signed_csrs(bed)) == before
    assert 'vault_issuer_worker_errors_total{queue="requests"} 0.0' in controller.metrics()
