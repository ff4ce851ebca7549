"""Canaries are read from options; what can't be one is refused with what to write."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from issuer.controller.canary.target import (
    BadTarget,
    CanaryOptions,
    parse_canary_endpoint,
    parse_dns_name,
    parse_issuer,
    parse_life,
    parse_roots,
)
from issuer.controller.process.options import CanarySchedule, OptionsError
from issuer.endpoint.address import EndpointAddress
from issuer.requests.issuers import IssuerKey

VAULT = "VaultClusterIssuer/vault"
NAME = "canary.lab.example.test"


def test_issuers_are_named_with_their_kind() -> None:
    assert parse_issuer(VAULT) == IssuerKey("VaultClusterIssuer", "", "vault")
    assert parse_issuer("VaultIssuer/team-a/vault") == IssuerKey("VaultIssuer", "team-a", "vault")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("a.example:443", "a.example", 443), ("127.0.0.1:1", "127.0.0.1", 1), ("[::1]:8443", "::1", 8443)],
)
def test_endpoints_are_host_and_port(text: str, host: str, port: int) -> None:
    assert parse_canary_endpoint(text) == EndpointAddress(host, port)
    assert str(parse_canary_endpoint(text)) == text


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_issuer, "vault"),
        (parse_issuer, "VaultIssuer/vault"),
        (parse_issuer, "VaultClusterIssuer/a/b"),
        (parse_issuer, "VaultClusterIssuer/"),
        (parse_issuer, "Issuer/a/b"),
        (parse_canary_endpoint, "a.example"),
        (parse_canary_endpoint, ":443"),
        (parse_canary_endpoint, "::1:443"),
        (parse_canary_endpoint, "a.example:0"),
        (parse_canary_endpoint, "a.example:65536"),
        (parse_canary_endpoint, "a.example:https"),
        (parse_dns_name, "*.lab.example.test"),
        (parse_dns_name, "Canary.example"),
        (parse_dns_name, "a..b"),
        (parse_dns_name, ""),
        (parse_life, "soon"),
        (parse_life, "10s"),
        (lambda text: parse_roots(text, "roots.pem"), "no certificate"),
    ],
)
def test_what_cannot_be_a_canary_is_refused(parse: Callable[[str], Any], text: str) -> None:
    with pytest.raises(BadTarget):
        parse(text)


def test_a_namespaced_issuer_is_asked_in_its_own_namespace() -> None:
    options = CanaryOptions([VAULT, "VaultIssuer/team-a/vault"], "pki", [NAME], duration="2h", timeout=5)
    cluster, own = options.targets()
    assert (cluster.namespace, own.namespace) == ("pki", "team-a")
    assert {cluster.dns_name, own.dns_name} == {NAME}
    assert (own.duration, own.timeout, own.endpoint) == (timedelta(hours=2), 5, None)


def test_names_and_endpoints_can_be_one_issuers() -> None:
    options = CanaryOptions(
        [VAULT, "VaultIssuer/team-a/vault"],
        "pki",
        [NAME, "VaultIssuer/team-a/vault=canary.a.example"],
        ["VaultIssuer/team-a/vault=canary.a:443"],
    )
    cluster, own = options.targets()
    assert (cluster.dns_name, cluster.endpoint) == (NAME, None)
    assert (own.dns_name, own.endpoint) == ("canary.a.example", EndpointAddress("canary.a", 443))


def test_the_only_canary_has_the_only_endpoint() -> None:
    (target,) = CanaryOptions([VAULT], "pki", [NAME], ["canary:443"]).targets()
    assert target.endpoint == EndpointAddress("canary", 443)


TWO = (VAULT, "VaultClusterIssuer/other")


@pytest.mark.parametrize(
    ("options", "about"),
    [
        (CanaryOptions([VAULT], "pki"), "--canary-dns-name"),
        (CanaryOptions([VAULT, VAULT], "pki", [NAME]), "twice"),
        (CanaryOptions(TWO, "pki", [NAME], ["canary:443"]), "any issuer's"),
        (CanaryOptions([VAULT], "pki", [NAME, "other.example"]), "twice"),
        (CanaryOptions([VAULT], "pki", [f"{VAULT}=a.example", f"{VAULT}=b.example"]), "twice"),
        (CanaryOptions([VAULT], "pki", [NAME], ["VaultClusterIssuer/gone=a:1"]), "no --canary"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: CanaryOptions, about: str) -> None:
    with pytest.raises(BadTarget, match=about):
        options.targets()


def test_a_run_must_end_before_the_next_begins() -> None:
    targets = CanaryOptions([VAULT], "pki", [NAME], timeout=31).targets()
    with pytest.raises(OptionsError, match=r"--canary-timeout 31 .* --canary-period 30"):
        CanarySchedule(targets, 30)
    assert CanarySchedule(targets, 31).targets == targets
