"""Faults of what is published: certificates and lists at the addresses in certificates."""

from __future__ import annotations

from issuer.pki.health.pointers import FetchedAnswer
from tests.unit.pki.health_facts import INT, ROOT, SITE, FakeVault, made
from tests.unit.pki.health_faults.catalogue import CRITICAL, INFO, OFFLINE, UNKNOWN, WARNING, Faults, replaced

FAULTS = Faults()


def offline_list(vault: FakeVault, days: float) -> None:
    """Put the CA below an offline root whose list ends in some days."""
    replaced(vault, "int", made("int", 1825, OFFLINE, points=True), OFFLINE)
    vault.urls[f"{SITE}/offline/crl"] = FetchedAnswer(200, OFFLINE.crl(-1, days))


@FAULTS.add("aia_url", WARNING)
def no_ca_there(vault: FakeVault) -> None:
    del vault.urls[f"{SITE}/int/ca"]


@FAULTS.add("aia_url", CRITICAL)
def another_ca_there(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/ca"] = vault.urls[f"{SITE}/pki/ca"]


@FAULTS.add("aia_url", WARNING)
def pem_there(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/ca"] = FetchedAnswer(200, INT.pem.encode())


@FAULTS.add("aia_url", WARNING)
def no_ca_at_the_url_of_a_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, ROOT, points=True), ROOT)


@FAULTS.add("aia_url", UNKNOWN)
def ldap(vault: FakeVault) -> None:
    vault.paths["int/config/urls"]["issuing_certificates"] = ["ldap://ca.example.test/ca"]


@FAULTS.add("crl_url", CRITICAL)
def no_list_there(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = FetchedAnswer(problem="no answer within 10 s")


@FAULTS.add("crl_url", CRITICAL)
def no_list_at_an_issuers_own_url(vault: FakeVault) -> None:
    vault.paths["int/issuer/id-int"]["crl_distribution_points"] = [f"{SITE}/own"]


@FAULTS.add("crl_url", CRITICAL)
def ended_list(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = FetchedAnswer(200, INT.crl(-9, -1))


@FAULTS.add("crl_url", CRITICAL)
def ended_list_at_the_url_of_a_ca(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, ROOT, points=True), ROOT)
    vault.urls[f"{SITE}/root/crl"] = FetchedAnswer(200, ROOT.crl(-9, -1))


@FAULTS.add("crl_url", WARNING)
def list_of_tomorrow(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = FetchedAnswer(200, INT.crl(1, 2))


@FAULTS.add("crl_url", CRITICAL)
def list_of_another(vault: FakeVault) -> None:
    vault.urls[f"{SITE}/int/crl"] = vault.urls[f"{SITE}/pki/crl"]


@FAULTS.add("crl_url", CRITICAL)
def revoked_ca(vault: FakeVault) -> None:
    ours = made("int", 1825, OFFLINE, points=True)
    replaced(vault, "int", ours, OFFLINE)
    vault.urls[f"{SITE}/offline/crl"] = FetchedAnswer(200, OFFLINE.crl(-1, 30, [ours.certificate]))


@FAULTS.add("ocsp_url", CRITICAL)
def no_responder(vault: FakeVault) -> None:
    vault.paths["int/config/urls"]["ocsp_servers"] = [f"{SITE}/int/ocsp"]


@FAULTS.add("offline_crl", WARNING)
def list_of_an_offline_root_that_ends(vault: FakeVault) -> None:
    offline_list(vault, 10)


@FAULTS.add("offline_crl", CRITICAL)
def list_of_an_offline_root_that_ends_now(vault: FakeVault) -> None:
    offline_list(vault, 1)


@FAULTS.add("crl_url", CRITICAL)
def list_of_an_offline_root_that_ended(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 1825, OFFLINE, points=True), OFFLINE)
    vault.urls[f"{SITE}/offline/crl"] = FetchedAnswer(200, OFFLINE.crl(-9, -1))


@FAULTS.add("missing_pointers", INFO)
def no_pointers(vault: FakeVault) -> None:
    vault.paths["int/config/urls"] = {}


@FAULTS.add("missing_pointers", INFO)
def no_list_among_an_issuers_own_urls(vault: FakeVault) -> None:
    vault.paths["int/issuer/id-int"]["issuing_certificates"] = [f"{SITE}/int/ca"]
