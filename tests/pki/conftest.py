"""One real OpenBao without Kubernetes, for the tests of `issuer.pki`. Each test takes mounts of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from testbed.forking import forked_commands
from testbed.openbao import OpenBao, running_openbao
from tests.pki.support import Vault
from tests.trust import no_certificates_of_the_system

numbers = count(1)


@pytest.fixture(autouse=True, scope="session")
def _no_certificates_of_the_system() -> Iterator[None]:
    """Trust no certificate of the system."""
    with no_certificates_of_the_system():
        yield


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenBao]:
    """An unsealed OpenBao on raft, in memory where there is room."""
    with running_openbao(tmp_path_factory.mktemp("openbao")) as server:
        yield server


@pytest.fixture(scope="module")
def forks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fork the commands that a module starts as processes from one that has imported them."""
    with forked_commands(tmp_path_factory.mktemp("forks") / "forkserver.log"):
        yield


@pytest.fixture
def vault(bao: OpenBao) -> Vault:
    """That server, with a name for this test's mounts, policies and auth methods."""
    return Vault(bao, f"t{next(numbers)}")
