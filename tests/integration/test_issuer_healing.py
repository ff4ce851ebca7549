"""A broken issuer says what is wrong and what to do, and heals without a restart once it is done."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.samples import vault_cluster_issuer
from testbed.vaultpki import PkiLayout, setup_policy, setup_role, setup_token
from tests.integration.support.common import (
    cluster_issuer_with_token,
    delete_issuer,
    request,
    secret,
    token_auth,
    wait_issued,
    wait_ready,
    wait_reason,
)


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module, which looks at issuers often."""
    with ControllerProcess(bed, ["--issuer-check-period=2", "--vault-timeout=5"]) as one:
        yield one
        # Issuers that broke and healed left events, and repeats of events: none was refused.
        assert "event not written" not in one.log.read_text()


@pytest.fixture
def issuer(namespace: str, bed: Testbed) -> Iterator[str]:
    """A name for a cluster issuer of this test, deleted at its end."""
    yield namespace
    delete_issuer(bed, namespace)


def healed(bed: Testbed, issuer: str, namespace: str) -> None:
    """The issuer is Ready and signs."""
    wait_ready(bed, issuer)
    request(bed, "healed", namespace, issuer)
    wait_issued(bed, "healed", namespace)


def test_a_missing_secret_is_named_and_found_when_it_comes(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str
) -> None:
    bed.kube.apply(vault_cluster_issuer(bed, issuer, token_auth("late-token")))
    message = wait_reason(bed, issuer, "SecretNotFound")
    assert f"{SYSTEM_NAMESPACE}/late-token" in message
    assert "spec.vault.auth.tokenSecretRef" in message
    bed.kube.apply(secret("late-token", SYSTEM_NAMESPACE, token=setup_token(bed.vault, layout.policy)))
    healed(bed, issuer, namespace)


def test_a_missing_key_of_a_secret_is_named(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str
) -> None:
    bed.kube.apply(secret("other-key", SYSTEM_NAMESPACE, password="x"))
    bed.kube.apply(vault_cluster_issuer(bed, issuer, token_auth("other-key")))
    message = wait_reason(bed, issuer, "SecretKeyNotFound")
    assert '"token"' in message
    bed.kube.apply(secret("other-key", SYSTEM_NAMESPACE, token=setup_token(bed.vault, layout.policy)))
    healed(bed, issuer, namespace)


def test_a_missing_role_is_named_and_found_when_it_is_written(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str
) -> None:
    policy = setup_policy(bed.vault, layout.mount, "later")
    token = setup_token(bed.vault, policy)
    cluster_issuer_with_token(bed, issuer, token, path=f"{layout.mount}/sign/later")
    message = wait_reason(bed, issuer, "RoleNotFound")
    assert '"later"' in message
    setup_role(bed.vault, layout.mount, "later")
    healed(bed, issuer, namespace)


def test_a_path_nobody_serves_is_named(bed: Testbed, layout: PkiLayout, issuer: str, namespace: str) -> None:
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, issuer, token, path="nothing_here/sign/lab")
    message = wait_reason(bed, issuer, "PathNotFound")
    assert "nothing_here" in message
    cluster_issuer_with_token(bed, issuer, token)
    healed(bed, issuer, namespace)


def test_a_path_that_does_not_sign_is_refused_with_the_forms_that_do(
    bed: Testbed, layout: PkiLayout, issuer: str
) -> None:
    token = setup_token(bed.vault, layout.policy)
    cluster_issuer_with_token(bed, issuer, token, path="pki_int/issue/lab")
    assert "<mount>/sign/<role>" in wait_reason(bed, issuer, "InvalidPath")


def test_a_policy_that_does_not_allow_the_path_is_told_with_the_capability(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str
) -> None:
    cluster_issuer_with_token(bed, issuer, setup_token(bed.vault, "default"))
    message = wait_reason(bed, issuer, "PermissionDenied")
    assert "update" in message
    assert layout.sign_path in message
    cluster_issuer_with_token(bed, issuer, setup_token(bed.vault, layout.policy))
    healed(bed, issuer, namespace)


def test_an_untrusted_server_certificate_is_refused(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str
) -> None:
    token = setup_token(bed.vault, layout.policy)
    bed.kube.apply(secret(f"{issuer}-token", SYSTEM_NAMESPACE, token=token))
    wrong = vault_cluster_issuer(bed, issuer, token_auth(f"{issuer}-token"))
    del wrong["spec"]["vault"]["caBundle"]
    bed.kube.apply(wrong)
    assert "caBundle" in wait_reason(bed, issuer, "TLSVerificationFailed")
    cluster_issuer_with_token(bed, issuer, token)
    healed(bed, issuer, namespace)


def test_a_refused_login_is_told_without_the_credential(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str, controller: ControllerProcess
) -> None:
    bad = "hvs." + "wrongwrongwrong" * 3
    cluster_issuer_with_token(bed, issuer, bad)
    message = wait_reason(bed, issuer, "LoginFailed")
    assert bad not in message
    cluster_issuer_with_token(bed, issuer, setup_token(bed.vault, layout.policy))
    healed(bed, issuer, namespace)
    assert bad not in controller.log.read_text()


def test_nobody_listening_is_told_and_healed(
    bed: Testbed, layout: PkiLayout, issuer: str, namespace: str
) -> None:
    token = setup_token(bed.vault, layout.policy)
    bed.vault.stop()
    try:
        cluster_issuer_with_token(bed, issuer, token)
        assert bed.vault.addr in wait_reason(bed, issuer, "VaultUnreachable")
    finally:
        bed.vault.start()
    healed(bed, issuer, namespace)


def test_an_issuer_tells_its_generation_and_the_end_of_its_ca(
    bed: Testbed, layout: PkiLayout, issuer: str
) -> None:
    cluster_issuer_with_token(bed, issuer, setup_token(bed.vault, layout.policy))
    found = wait_ready(bed, issuer)
    assert found["status"]["conditions"][0]["observedGeneration"] == found["metadata"]["generation"]
    assert found["status"]["caNotAfter"] > "2030"
