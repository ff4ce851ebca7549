"""Our decisions are approver-policy's: the verdict of every case, and the fields of every denial."""

from __future__ import annotations

import json

from tests.differential.compare import disagreements
from tests.differential.conftest import GROUPS
from tests.differential.run import FULL, Asked

SUBJECT = "organizations countries organizationalUnits localities provinces streetAddresses postalCodes"
DENYING = (
    *("commonName", "dnsNames", "ipAddresses", "uris", "emailAddresses", "isCA", "usages", "otherNames"),
    *(*SUBJECT.split(), "serialNumber", "otherAttributes"),
    *("minDuration", "maxDuration", "algorithm", "minSize", "maxSize"),
)
FIELDS = (*DENYING, "name", "kind", "group", "matchNames", "matchLabels", "required", "validations")


def test_no_case_is_decided_differently(asked: Asked) -> None:
    found = [str(one) for one in disagreements(asked.cases, asked.answers)]
    assert not found, "\n".join([f"{len(found)} of {len(asked.cases)} cases differ:", *found[:10]])


def test_the_cases_are_many_and_of_every_kind(asked: Asked) -> None:
    counts = asked.counts()
    assert set(counts) == {"Approved", "Denied", "Unprocessed"}
    assert min(counts.values()) >= len(asked.cases) / 5, counts
    if GROUPS >= FULL:
        assert len(asked.cases) >= 2000


def test_the_policies_use_every_field(asked: Asked) -> None:
    text = "".join({json.dumps(case.policies) for case in asked.cases})
    assert [field for field in FIELDS if f'"{field}": ' not in text] == []


def test_every_field_denies_somebody(asked: Asked) -> None:
    if GROUPS < FULL:
        return
    told = {path for one in asked.answers.values() for paths in (one.fields or {}).values() for path in paths}
    never = [field for field in DENYING if not any(f".{field}" in path for path in told)]
    assert never == []
