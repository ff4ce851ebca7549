"""Vault tokens: one login serves many certificates, an idle issuer renews or replaces its token, and none is
used without the Secret that it was got with.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest

from issuer.controller.issuers.signers import BELIEVED_SECONDS
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout, setup_approle
from tests.integration.support.common import at_once, ready, wait_answer, wait_issued
from tests.integration.support.scope import Scope, sweep
from tests.integration.support.waiting import wait_until


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller that looks at healthy issuers once a minute only: what happens is the token's doing."""
    with ControllerProcess(bed, ["--issuer-check-period=60"]) as one:
        yield one
    sweep(bed)


@pytest.fixture
def signed_once(bed: Testbed, layout: PkiLayout, namespace: str) -> Scope:
    """A Ready issuer that has signed one certificate."""
    scope = Scope(bed, namespace, namespace)
    app_role(scope, layout, scope.name)
    scope.issue("first")
    return scope


def outlast_reading() -> None:
    """Wait after a change of a Secret: a reading just before it, of any check, is believed so long."""
    time.sleep(BELIEVED_SECONDS)


def app_role(scope: Scope, layout: PkiLayout, mount: str, **options: Any) -> None:
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


def test_tokens_that_are_good_for_few_calls_fail_no_request(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    """Vault's own page makes AppRoles so; calls beside each other share a token."""
    scope = Scope(bed, namespace, namespace)
    refused, failed = len(refusals(bed, layout)), len(errors(bed, layout))
    app_role(scope, layout, scope.name, token_num_uses=5)
    names = [f"few-calls-{number}" for number in range(24)]
    at_once(scope.request, names)
    for name in names:
        wait_issued(bed, name, namespace)
    assert (len(refusals(bed, layout)), len(errors(bed, layout))) == (refused, failed)
    assert logins(bed, scope.name) >= len(names) // 5
    told = bed.kube.get(API_VERSION, scope.kind, scope.name)["status"]["warnings"]
    assert [one for one in told if "token_num_uses" in one]


def test_short_tokens_of_an_idle_issuer_live_on_by_renewal_or_by_a_new_login(
    bed: Testbed, layout: PkiLayout, namespace: str, controller: ControllerProcess
) -> None:
    renewed, ended = (Scope(bed, f"{namespace}-{which}", namespace) for which in ("renewed", "ended"))
    app_role(renewed, layout, "renewed", token_ttl="6s")
    app_role(ended, layout, "ended", token_ttl="6s", token_max_ttl="8s")
    wait_until(
        lambda: renewals(bed, renewed) >= 3 and logins(bed, "ended") >= 2, "both kept a token for 10 s"
    )
    refused = len(refusals(bed, layout))
    renewed.issue("after-renewals")
    ended.issue("after-new-logins")
    assert logins(bed, "renewed") == 1
    assert renewals(bed, renewed) <= 6
    assert logins(bed, "ended") <= 6
    assert len(refusals(bed, layout)) == refused, "the token was good when it was used"
    assert "vault token not renewed" not in controller.log.read_text()


def test_a_login_is_not_used_once_its_secret_is_deleted(
    bed: Testbed, layout: PkiLayout, signed_once: Scope
) -> None:
    scope = signed_once
    secret = bed.kube.get("v1", "Secret", scope.credentials, scope.home)
    bed.kube.delete("v1", "Secret", scope.credentials, scope.home)
    outlast_reading()
    names = [f"without-{number}" for number in range(20)]
    at_once(scope.request, names)
    assert scope.credentials in scope.wait_reason("SecretNotFound")
    for name in names:
        found = wait_answer(bed, name, scope.namespace, "Pending")
        assert "SecretNotFound" in ready(found)["message"]
    assert len(signing_tokens(bed, layout, scope)) == 1, "the first, before"
    secret["metadata"] = {"name": scope.credentials, "namespace": scope.home}
    bed.kube.apply(secret)
    for name in names:
        wait_issued(bed, name, scope.namespace)


def test_a_login_is_not_used_once_its_secret_is_another(
    bed: Testbed, layout: PkiLayout, signed_once: Scope
) -> None:
    scope = signed_once
    scope.store(id="not-a-secret-id")
    outlast_reading()
    scope.request("spoilt")
    scope.wait_reason("LoginFailed")
    found = wait_answer(bed, "spoilt", scope.namespace, "Pending")
    assert "LoginFailed" in ready(found)["message"]
    assert len(signing_tokens(bed, layout, scope)) == 1, "the first, before"


def test_a_secret_that_is_replaced_fails_no_request_and_is_read_seldom(
    bed: Testbed, layout: PkiLayout, signed_once: Scope
) -> None:
    scope = signed_once
    path = f"auth/{scope.name}/role/{scope.name}/secret-id"
    scope.store(id=bed.vault.write(path, {})["secret_id"])
    outlast_reading()
    names, before = [f"replaced-{number}" for number in range(60)], reads_of_secrets(bed)
    at_once(scope.request, names)
    for name in names:
        wait_issued(bed, name, scope.namespace)
    first, *others = signing_tokens(bed, layout, scope)
    assert len(others) == len(names), "each was signed once"
    assert len(set(others)) == 1
    assert first not in others, "all with the new login"
    assert logins(bed, scope.name) == 2
    assert 0 < reads_of_secrets(bed) - before <= len(names) / 6


def signing_tokens(bed: Testbed, layout: PkiLayout, scope: Scope) -> list[str]:
    """The token (a fingerprint of it) by which each certificate of that issuer was signed."""
    return [
        one["auth"]["client_token"]
        for one in bed.vault.audited(layout.sign_path)
        if (one["auth"].get("metadata") or {}).get("role_name") == scope.name
        and (one["response"].get("data") or {}).get("certificate")
    ]


def reads_of_secrets(bed: Testbed) -> int:
    """How often anybody has read a Secret by its name, as the API server counts."""
    metrics = str(bed.kube.http.call("GET", "/metrics"))
    found = re.findall(
        r'^apiserver_request_total\{.*resource="secrets".*verb="GET".*\} (\S+)$', metrics, re.M
    )
    return int(sum(map(float, found)))


def refusals(bed: Testbed, layout: PkiLayout) -> list[str]:
    """Calls to sign that were refused for want of a good token."""
    return [one for one in errors(bed, layout) if "permission denied" in one]


def errors(bed: Testbed, layout: PkiLayout) -> list[str]:
    """What Vault said to calls to sign that failed."""
    return [str(one["error"]) for one in bed.vault.audited(layout.sign_path) if one.get("error")]
