"""Bounds that a CA sets for those below it, by its certificate and by those above."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from issuer.pki.authorities.limits import CALimits, breaches, limits_of, planned_limits
from issuer.pki.file.authority import Authority
from tests.pki.cas import root

NOW = datetime(2026, 11, 27, tzinfo=UTC)
YEAR = 365 * 24


def authority(hours: int = YEAR, length: int | None = 0, names: tuple[str, ...] = ()) -> Authority:
    fields = {
        "mount": "pki",
        "signedBy": "home",
        "subject": {"commonName": "Below"},
        "lifetime": f"{hours}h",
        "maxPathLength": length,
        "permittedDNSDomains": names,
    }
    return Authority.model_validate(fields)


@pytest.mark.parametrize(
    ("above", "own", "left"),
    [(None, None, None), (1, None, 0), (2, None, 1), (1, 5, 0), (None, 0, 0), (3, 1, 1), (0, None, -1)],
)
def test_the_shortest_path_length_of_a_chain_counts(above: int | None, own: int | None, left: int) -> None:
    top = root("Root", path_length=above)
    home = top.below("Home", path_length=own)
    assert limits_of([home.certificate, top.certificate]).path_length == left


def test_a_certificate_of_another_path_does_not_count() -> None:
    top, other = root("Root"), root("Other", path_length=0)
    home = top.below("Home")
    assert limits_of([home.certificate, top.certificate, other.certificate]).path_length is None
    renewed = other.renewed(days=9)  # Vault's ca_chain goes on behind a root
    assert limits_of([renewed.certificate, other.certificate]).path_length is None


@pytest.mark.parametrize(
    ("hours", "said"),
    [(YEAR, []), (YEAR + 1, []), (YEAR + 2, ["lifetime"]), (10 * YEAR, ["lifetime"])],
)
def test_a_ca_of_its_signers_lifetime_may_follow_it_within_an_hour(hours: int, said: list[str]) -> None:
    signer = CALimits(NOW + timedelta(hours=YEAR))
    assert [key for key, _ in breaches(authority(hours), "home", signer, NOW)] == said


def test_a_signer_that_ended_signs_nothing() -> None:
    ((key, sentence),) = breaches(authority(), "home", CALimits(NOW), NOW)
    assert (key, "home ended at 2026-11-27T00:00:00Z" in sentence) == ("signedBy", True)


@pytest.mark.parametrize(
    ("signer", "length", "said"),
    [
        (None, None, ""),
        (1, 0, ""),
        (1, None, "write maxPathLength 0 or less"),
        (2, 2, "write maxPathLength 1 or less"),
        (0, 0, "no CA may follow below it"),
        (-1, 0, "no CA may follow below it"),
    ],
)
def test_a_path_length_leaves_room_or_is_told(signer: int | None, length: int | None, said: str) -> None:
    limits = CALimits(NOW + timedelta(days=9999), signer)
    told = [sentence for _, sentence in breaches(authority(length=length), "home", limits, NOW)]
    assert [said in one for one in told] == ([True] if said else [])


@pytest.mark.parametrize(
    ("permitted", "names", "wide"),
    [
        ((), ("any.test",), []),
        (("example.test",), ("lab.example.test", "example.test"), []),
        (("example.test",), (), []),
        (("example.test",), ("lab.example.test", "badexample.test"), ["permittedDNSDomains"]),
        ((".example.test",), (".lab.example.test",), []),
    ],
)
def test_names_stay_within_those_of_the_signer(
    permitted: tuple[str, ...], names: tuple[str, ...], wide: list[str]
) -> None:
    limits = CALimits(NOW + timedelta(days=9999), permitted=permitted)
    assert [key for key, _ in breaches(authority(names=names), "home", limits, NOW)] == wide


def test_a_planned_ca_hands_on_what_its_signer_leaves() -> None:
    signer = CALimits(NOW + timedelta(hours=10), 2, ("example.test",))
    limits = planned_limits(authority(length=None), signer, NOW)
    assert limits == CALimits(NOW + timedelta(hours=10), 1, ("example.test",))
    assert planned_limits(authority(5, 0), None, NOW) == CALimits(NOW + timedelta(hours=5), 0)
