"""Certificates that Vault revokes with the login that they were signed by (generate_lease of a role)."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from issuer.agent.config.model import CertificateSpec
from issuer.agent.errors import AgentError
from issuer.agent.renewal.keys import new_key
from issuer.agent.renewal.signing import CertificateCalls
from issuer.vault.errors import VaultError
from issuer.vault.login.methods import AppRole
from issuer.vault.paths import SignPath
from issuer.vault.session import VaultSession
from tests.unit.vault import fake

SPEC = {"name": "web", "folder": "/tls", "path": "pki/sign/web", "dnsNames": ["a.example.com"], "ttl": "72h"}


@pytest.mark.parametrize("lease", ["", "pki/sign/web/x"])
async def test_certificate_that_ends_with_the_login_is_told(lease: str) -> None:
    spec = CertificateSpec.model_validate(SPEC)
    async with fake.fake_vault() as vault, fake.client_of(vault) as client:
        vault.tell(fake.APPROLE_LOGIN, fake.login("s.0"))
        vault.tell(fake.SIGN, fake.signed("aa:bb", lease))
        vault.tell("POST /v1/pki/revoke-with-key", (200, {}))
        vault.tell(
            "GET /v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200", (200, {})
        )
        session = VaultSession(client, AppRole("role", "secret"))
        calls = CertificateCalls(session, SignPath.parse("pki/sign/web"))
        with (
            capture_logs() as logs,
            suppress(AgentError, VaultError),
        ):  # what the fake signs is no certificate
            await calls.sign(spec, new_key(spec.key), datetime.now(UTC))
    told = [one for one in logs if "generate_lease" in one["event"]]
    assert [one["serial"] for one in told] == (["aa:bb"] if lease else [])
