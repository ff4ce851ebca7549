"""Chains and CRLs of an offline root, judged by what is quick; RSA, Java and Go: `make test-readers`."""

from __future__ import annotations

import pytest

from tests.readers.test_offline_root import Chain, chain_below, judged_rightly


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Chain:
    return chain_below("ec-p384", tmp_path_factory.mktemp("chain"))


@pytest.mark.parametrize("name", ["OpenSSL", "GnuTLS", "NSS"])
def test_a_chain_is_accepted_until_its_ca_is_revoked(chain: Chain, name: str) -> None:
    judged_rightly(chain, name)
