"""Vault tokens: one login serves many certificates, and an idle issuer renews or replaces its token."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.vaultpki import PkiLayout, setup_approle
from tests.integration.support.common import wait_issued
from tests.integration.support.scope import Scope, sweep


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller that looks at healthy issuers once a minute only: what happens is the token's doing."""
    with ControllerProcess(bed, ["--issuer-check-period=60"]) as one:
        yield one
    sweep(bed)


def app_role(scope: Scope, layout: PkiLayout, mount: str, **options: str) -> None:
    """A Ready issuer whose AppRole mount nobody else uses, so that its logins can be counted."""
    login = setup_approle(scope.bed.vault, layout.policy, name=scope.name, mount=mount, **options)
    scope.store(id=login.secret_id)
    scope.apply({"appRole": {"path": mount, "roleId": login.role_id, "secretRef": scope.reference("id")}})
    scope.wait_ready()


def logins(bed: Testbed, mount: str) -> int:
    """How often somebody logged in at that mount."""
    return sum(1 for one in bed.vault.audited(f"auth/{mount}/login") if not one.get("error"))


def renewals(bed: Testbed, scope: Scope) -> int:
    """How often a token of that AppRole was renewed."""
    return sum(
        1
        for one in bed.vault.audited("auth/token/renew-self")
        if not one.get("error") and (one["auth"].get("metadata") or {}).get("role_name") == scope.name
    )


def test_one_login_serves_twenty_certificates(bed: Testbed, layout: PkiLayout, namespace: str) -> None:
    scope = Scope(bed, namespace, namespace)
    app_role(scope, layout, "twenty")
    names = [f"one-of-twenty-{number}" for number in range(20)]
    for name in names:
        scope.request(name)
    for name in names:
        wait_issued(bed, name, namespace)
    assert logins(bed, "twenty") == 1


def test_short_tokens_of_an_idle_issuer_live_on_by_renewal_or_by_a_new_login(
    bed: Testbed, layout: PkiLayout, namespace: str, controller: ControllerProcess
) -> None:
    renewed, ended = (Scope(bed, f"{namespace}-{which}", namespace) for which in ("renewed", "ended"))
    app_role(renewed, layout, "renewed", token_ttl="6s")
    app_role(ended, layout, "ended", token_ttl="6s", token_max_ttl="8s")
    time.sleep(15)
    refused = len(refusals(bed, layout))
    renewed.issue("after-renewals")
    ended.issue("after-new-logins")
    assert logins(bed, "renewed") == 1
    assert 3 <= renewals(bed, renewed) <= 6
    assert 2 <= logins(bed, "ended") <= 6
    assert len(refusals(bed, layout)) == refused, "the token was good when it was used"
    assert "vault token not renewed" not in controller.log.read_text()


def refusals(bed: Testbed, layout: PkiLayout) -> list[str]:
    """Calls to sign that were refused for want of a good token."""
    errors = [str(one.get("error", "")) for one in bed.vault.audited(layout.sign_path)]
    return [one for one in errors if "permission denied" in one]
