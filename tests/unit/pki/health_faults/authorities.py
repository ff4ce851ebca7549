"""Faults of CAs: their ends, their lists, their keys and what they sign."""

from __future__ import annotations

from tests.unit.pki.health_facts import INT, ROOT, FakeVault, made
from tests.unit.pki.health_faults.catalogue import (
    CRITICAL,
    INFO,
    OFFLINE,
    UNKNOWN,
    WARNING,
    Faults,
    leaf,
    replaced,
)

FAULTS = Faults()


@FAULTS.add("ca_validity_period", CRITICAL)
def root_that_ends(vault: FakeVault) -> None:
    replaced(vault, "pki", made("old", 100, begin=-3000), name="root-1")


@FAULTS.add("ca_validity_period", WARNING)
def root_of_a_year(vault: FakeVault) -> None:
    replaced(vault, "pki", made("old", 300, begin=-3000), name="root-1")


@FAULTS.add("ca_validity_period", INFO)
def intermediate_of_months(vault: FakeVault) -> None:
    replaced(vault, "int", made("short", 100, ROOT), ROOT)


@FAULTS.add("ca_validity_period", CRITICAL)
def intermediate_below_an_offline_root(vault: FakeVault) -> None:
    replaced(vault, "int", made("short", 10, OFFLINE), OFFLINE)


@FAULTS.add("ca_validity_period", CRITICAL)
def intermediate_below_a_root_that_ended(vault: FakeVault) -> None:
    ended = made("ended", -1, begin=-3000)
    replaced(vault, "int", made("short", 10, ended), ended)


@FAULTS.add("crl_validity_period", CRITICAL)
def used_up_list(vault: FakeVault) -> None:
    vault.paths["int/config/crl"]["auto_rebuild"] = False
    vault.list("int", INT, -3, 0.001)


@FAULTS.add("crl_validity_period", CRITICAL)
def used_up_list_although_it_is_rebuilt(vault: FakeVault) -> None:
    vault.list("int", INT, -3, 0.001)


@FAULTS.add("crl_validity_period", INFO)
def used_up_list_that_is_disabled(vault: FakeVault) -> None:
    vault.paths["int/config/crl"]["disable"] = True
    vault.list("int", INT, -3, 0.001)


@FAULTS.add("hardware_backed_root", INFO)
def key_of_the_root_in_vault(vault: FakeVault) -> None:
    vault.thresholds["hardware_backed_root"] = {"enabled": True}


@FAULTS.add("root_issued_leaves", WARNING)
def root_that_signs_leaves(vault: FakeVault) -> None:
    vault.role("pki", "old", key_type="ec")
    leaf(vault, "pki", ROOT)


@FAULTS.add("default_issuer", WARNING)
def no_default(vault: FakeVault) -> None:
    vault.paths["int/config/issuers"]["default"] = ""


@FAULTS.add("default_issuer", CRITICAL)
def default_without_a_key(vault: FakeVault) -> None:
    vault.issuer("int", made("other", 1825, ROOT), ROOT, name="int-2")
    vault.paths["int/issuers/"]["key_info"]["id-int"]["key_id"] = ""


@FAULTS.add("default_issuer", CRITICAL)
def default_that_may_not_sign(vault: FakeVault) -> None:
    vault.paths["int/issuer/id-int"]["usage"] = "read-only"


@FAULTS.add("default_issuer", WARNING)
def default_that_follows_imports(vault: FakeVault) -> None:
    vault.paths["int/config/issuers"]["default_follows_latest_issuer"] = True


@FAULTS.add("issuer_names", INFO)
def no_name(vault: FakeVault) -> None:
    replaced(vault, "int", INT, ROOT, name="")


@FAULTS.add("issuer_lifetime", CRITICAL)
def ca_that_outlives_its_signer(vault: FakeVault) -> None:
    replaced(vault, "int", made("int", 4000, ROOT), ROOT)


@FAULTS.add("issuer_lifetime", INFO)
def mount_for_longer_than_its_ca(vault: FakeVault) -> None:
    vault.paths["sys/mounts/int/tune"]["max_lease_ttl"] = 90000 * 3600


@FAULTS.add("issuer_names", UNKNOWN)
def issuers_that_may_not_be_read(vault: FakeVault) -> None:
    vault.refused["int/issuers/"] = "permission denied"


@FAULTS.add("ca_validity_period", UNKNOWN)
def issuer_that_may_not_be_read(vault: FakeVault) -> None:
    vault.refused["int/issuer/id-int"] = "permission denied"


@FAULTS.add("default_issuer", UNKNOWN)
def default_that_may_not_be_read(vault: FakeVault) -> None:
    vault.issuer("int", made("other", 1825, ROOT), ROOT, name="int-2")
    vault.refused["int/issuer/id-int"] = "permission denied"


@FAULTS.add("role_lifetime", UNKNOWN)
def issuer_of_a_role_that_may_not_be_read(vault: FakeVault) -> None:
    vault.paths["int/roles/web"]["issuer_ref"] = "int-1"
    vault.refused["int/issuer/id-int"] = "permission denied"


@FAULTS.add("crl_validity_period", UNKNOWN)
def list_that_may_not_be_read(vault: FakeVault) -> None:
    vault.refused["int/issuer/id-int/crl"] = "permission denied"
