"""One cluster with the real approver-policy, asked once about every generated case.

`DIFFERENTIAL_GROUPS` (default 550) says how many groups of four or five cases are asked, and
`DIFFERENTIAL_SEED` chooses others than the usual ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from testbed.cluster import Options, Testbed
from tests.differential.cases import generate
from tests.differential.examples import example_cases
from tests.differential.functions import function_cases
from tests.differential.run import FULL, OPTIONS, Asked, ask

GROUPS = int(os.environ.get("DIFFERENTIAL_GROUPS", str(FULL)))
SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1"))


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Testbed]:
    """etcd, kube-apiserver and approver-policy; nobody else approves anything here."""
    with Testbed(Options(**OPTIONS, data_dir=tmp_path_factory.mktemp("testbed"))) as running:
        yield running


@pytest.fixture(scope="session")
def asked(bed: Testbed) -> Asked:
    """Every case and the peer's answer to it, and to the examples and functions."""
    more = [*(case for _, case in example_cases()), *function_cases().values()]
    return ask(bed, generate(GROUPS, SEED), more)
