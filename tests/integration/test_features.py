"""Every feature of a Certificate, by signing mode: what was asked for is what the Secret's certificate says.

docs/features.md lists them; `tests/unit/docs` holds that list against the tests here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.kube import Object
from testbed.vaultpki import PkiLayout
from tests.integration.support.as_asked import assert_as_asked
from tests.integration.support.common import CERT_MANAGER, REQUEST, condition, ready
from tests.integration.support.features import (
    CASES,
    MODES,
    SIGN,
    SUBJECT_CASES,
    VERBATIM,
    Case,
    setup_features,
)
from tests.integration.support.scope import sweep

Issued = Callable[[Case, str], tuple[Object, Object]]
SECONDS = 90.0
EACH = [(mode, one) for one in CASES.values() for mode in one.modes]
IDS = [f"{mode}-{one.name}" for mode, one in EACH]


@pytest.fixture(scope="module")
def issued(bed: Testbed, layout: PkiLayout) -> Iterator[Issued]:
    """All Certificates of the module, asked for at once; the Certificate and the Secret of one."""
    with ControllerProcess(bed):
        setup_features(bed, layout)
        namespace = bed.create_namespace("features")
        bed.kube.apply([one.certificate(mode, namespace) for mode, one in EACH])

        def find(one: Case, mode: str) -> tuple[Object, Object]:
            name = f"{one.name}-{mode}"
            found = bed.kube.wait(
                CERT_MANAGER, "Certificate", name, namespace, until=answered, timeout=SECONDS
            )
            assert condition(found, "Ready")["status"] == "True", found["status"]
            return found, bed.kube.get("v1", "Secret", f"{name}-tls", namespace)

        yield find
    sweep(bed)


def answered(found: Object) -> bool:
    """Whether it is Ready, or its request has failed."""
    return ready(found).get("status") == "True" or condition(found, "Issuing").get("reason") == "Failed"


@pytest.mark.parametrize(("mode", "one"), EACH, ids=IDS)
def test_certificate(issued: Issued, layout: PkiLayout, mode: str, one: Case) -> None:
    """Key, names, subject, usages, life, CA flag and chain, each as the spec has it."""
    assert_as_asked(*issued(one, mode), layout, mode)


@pytest.mark.parametrize("name", SUBJECT_CASES)
def test_a_role_that_drops_subject_attributes_is_told_in_the_request(
    bed: Testbed, issued: Issued, name: str
) -> None:
    issued(CASES[name], SIGN)
    request = bed.kube.get(CERT_MANAGER, REQUEST, f"{name}-{SIGN}-1", "features")
    assert "subject attributes are missing: " in ready(request)["message"]


def test_both_modes_are_there() -> None:
    assert {mode for mode, _ in EACH} == set(MODES) == {SIGN, VERBATIM}
