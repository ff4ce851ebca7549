"""What OpenBao 2.7 said, request by request, and the field of the role that each is about."""

from __future__ import annotations

import pytest

from issuer.signing.vault.failures.role_fields import role_fields

SAID = [
    ("common name bank.test not allowed by this role", "allow_subdomains"),
    ("subject alternate name lab.test not allowed by this role", "allow_bare_domains"),
    ("subject alternate name *.lab.test not allowed by this role", "allow_wildcard_certificates"),
    ("email address a@lab.test not allowed by this role", "behind the @"),
    ("serial_number 12 not allowed by this role", "allowed_serial_numbers"),
    (
        "IP Subject Alternative Names are not allowed in this role, but was provided via CSR",
        "allow_ip_sans",
    ),
    (
        "URI Subject Alternative Names are not allowed in this role, but were provided via CSR",
        "allowed_uri_sans",
    ),
    (
        "URI Subject Alternative Names were provided via CSR which are not valid for this role",
        "allowed_uri_sans",
    ),
    ("other SAN OID 1.3.6.1.4.1.311.20.2.3 not allowed by this role", "allowed_other_sans"),
    ("role requires keys of type rsa", "key_type"),
    ("role requires a minimum of a 384-bit key, but CSR's key is 256 bits", "key_bits"),
]


@pytest.mark.parametrize(("said", "field"), SAID)
def test_each_refusal_names_the_fields_of_the_role(said: str, field: str) -> None:
    assert field in role_fields([said])


def test_what_is_not_known_names_no_field() -> None:
    assert role_fields(["the common_name field is required", ""]) == ""
    assert role_fields([]) == ""
