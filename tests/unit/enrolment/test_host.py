"""A machine's objects: exact names, and a certificate login that one machine alone can use."""

from __future__ import annotations

import pytest

from issuer.enrolment.host import HostBounds, HostRecord, check_names, need_found_names, wanted_objects
from issuer.pki.errors import PkiError

WILDCARD, LONG = "*.example.com", "a" * 60 + ".example.com"


def record(*names: str, cert: str = "cert") -> HostRecord:
    return HostRecord("nas", "pki_int", "approle", cert, names, ("192.0.2.5",))


@pytest.mark.parametrize("names", [(), (WILDCARD,), (LONG,), (WILDCARD, LONG)])
def test_certificate_login_needs_a_name_of_the_machine_s_own(names: tuple[str, ...]) -> None:
    with pytest.raises(PkiError, match="no DNS name for a certificate login"):
        check_names(record(*names))
    check_names(record(*names, cert=""))


def test_certificate_login_is_by_the_first_name_that_can_be_a_common_name() -> None:
    machine = record(WILDCARD, LONG, "nas.example.com", "www.example.com")
    check_names(machine)
    [login] = [
        one for one in wanted_objects(machine, HostBounds(), "PEM") if one.path.startswith("auth/cert/")
    ]
    assert login.fields["allowed_common_names"] == ["nas.example.com"]


@pytest.mark.parametrize(
    "name", ["nas*.example.com", "a.*.example.com", "Nas.example.com", "*.*.example.com"]
)
def test_name_that_a_role_does_not_hold_exactly_is_refused(name: str) -> None:
    with pytest.raises(PkiError, match="is no DNS name"):
        check_names(record(name))


def test_address_among_dns_names_is_refused_and_can_be_removed() -> None:
    machine = record("192.0.2.5", cert="")
    check_names(machine)  # as --remove does
    with pytest.raises(PkiError, match="is an IP address, which no client looks for among DNS names"):
        need_found_names(machine)


@pytest.mark.parametrize("name", ["nas..example.com", "nas.example.com.", "-nas.example.com", "a" * 64])
def test_name_that_no_ca_signs_is_refused_and_can_be_removed(name: str) -> None:
    machine = record(name, cert="")
    check_names(machine)  # as --remove does
    with pytest.raises(PkiError, match="is no DNS name: it has a"):
        need_found_names(machine)


def test_wildcard_name_is_no_glob() -> None:
    role = wanted_objects(record(WILDCARD, cert=""), HostBounds(), "")[0]
    assert (role.fields["allow_glob_domains"], role.fields["allow_wildcard_certificates"]) == (False, True)


@pytest.mark.parametrize("host", ["nas", "a" * 59, "a" * 60, "a" * 63 + ".example.com"])
def test_each_certificate_of_the_role_has_the_machine_s_unit(host: str) -> None:
    machine = HostRecord(host, "pki_int", "approle")
    role = wanted_objects(machine, HostBounds(), "")[0]
    [unit] = role.fields["ou"]
    assert len(unit) <= 64
    assert (unit == f"host-{host}") is (len(host) < 60)
    assert unit != HostRecord(f"{host}b", "pki_int", "approle").unit
