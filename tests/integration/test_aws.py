"""AWS IAM logins against a stand-in of STS and of Vault's AWS auth (OpenBao has none): see ``aws.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout
from tests.integration.support.aws_services import HEADER_VALUE, REGION, ROLE_ARN, AWSStandIn, Key
from tests.integration.support.common import signed_csrs
from tests.integration.support.scope import ACCOUNT, Scope, sweep

OWN = Key("own-secret-of-the-controller", "", ROLE_ARN)


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, aws: AWSStandIn) -> Iterator[ControllerProcess]:
    """One controller that has an AWS identity of its own."""
    aws.trust.keys["AKIAOWN"] = OWN
    own = {"AWS_ACCESS_KEY_ID": "AKIAOWN", "AWS_SECRET_ACCESS_KEY": OWN.secret}
    with ControllerProcess(bed, ["--issuer-check-period=2"], env={**aws.env, **own}) as one:
        yield one
    sweep(bed)


def identity(scope: Scope, **more: Any) -> dict[str, Any]:
    """``spec.vault.auth`` with a ServiceAccount; None takes a field out."""
    fields = {
        "role": scope.name,
        "region": REGION,
        "iamRoleArn": ROLE_ARN,
        "vaultHeaderValue": HEADER_VALUE,
        "serviceAccountRef": {"name": ACCOUNT},
        **more,
    }
    return {"aws": {name: value for name, value in fields.items() if value is not None}}


def apply(scope: Scope, aws: AWSStandIn, **more: Any) -> None:
    """Apply the issuer, led to the stand-in."""
    scope.apply(identity(scope, **more), server=aws.addr, caBundle=aws.ca_bundle)


def trust(aws: AWSStandIn, scope: Scope, namespace: str) -> None:
    """Let AWS and Vault take that namespace's ServiceAccount."""
    aws.trust.accounts.add(f"system:serviceaccount:{namespace}:{ACCOUNT}")


def test_a_service_accounts_token_buys_a_login(
    scope: Scope, layout: PkiLayout, aws: AWSStandIn, controller: ControllerProcess
) -> None:
    aws.trust.accounts.clear()
    apply(scope, aws, vaultHeaderValue="wrong")
    message = scope.wait_reason("LoginFailed")
    assert f"system:serviceaccount:{scope.home}" not in message
    assert "AccessDenied" in message
    assert "trust policy" in message
    trust(aws, scope, scope.home)
    until_said(scope, "entry for role")
    aws.trust.roles[scope.name] = layout.policy
    until_said(scope, "X-Vault-AWS-IAM-Server-ID")
    before = len(aws.logins)
    apply(scope, aws, serviceAccountRef={"name": ACCOUNT, "audiences": ["more.example.test"]})
    assert "logged in by aws" in scope.works()
    assert aws.audiences[-1] == ["sts.amazonaws.com", "more.example.test"]
    assert len(aws.logins) == before + 1
    log = controller.log.read_text()
    assert not any(
        text in log for key in aws.trust.keys.values() for text in (key.secret, key.session) if text
    )


def until_said(scope: Scope, words: str) -> None:
    """Wait until the issuer's Ready condition has these words."""
    scope.bed.kube.wait(
        API_VERSION,
        scope.kind,
        scope.name,
        None if scope.cluster else scope.namespace,
        until=lambda one: words in one["status"]["conditions"][0]["message"],
    )


def test_the_controllers_own_identity_is_for_cluster_issuers(
    scope: Scope, layout: PkiLayout, aws: AWSStandIn
) -> None:
    aws.trust.roles[scope.name] = layout.policy
    before = len(signed_csrs(scope.bed))
    apply(scope, aws, serviceAccountRef=None, iamRoleArn=None)
    if scope.cluster:
        scope.works()
        return
    assert "--issuer-ambient-credentials" in scope.wait_reason("AmbientCredentialsNotAllowed")
    scope.request()
    assert len(signed_csrs(scope.bed)) == before


def test_a_service_account_of_another_namespace_is_not_used(
    bed: Testbed, layout: PkiLayout, aws: AWSStandIn, namespace: str
) -> None:
    other = bed.create_namespace(f"{namespace}-o")
    Scope(bed, other, other, cluster=False).grant()
    made = Scope(bed, namespace, namespace, cluster=False)
    made.grant()
    for place in (other, SYSTEM_NAMESPACE):
        trust(aws, made, place)
    aws.trust.roles[made.name] = layout.policy
    bed.kube.delete("v1", "ServiceAccount", ACCOUNT, namespace)
    apply(made, aws)
    assert f"{namespace}/{ACCOUNT}" in made.wait_reason("ServiceAccountNotFound")
    bed.service_account_token(namespace, ACCOUNT)
    assert "AccessDenied" in made.wait_reason("LoginFailed")
    trust(aws, made, namespace)
    made.works()


def test_a_region_is_no_way_to_another_host(
    bed: Testbed, layout: PkiLayout, aws: AWSStandIn, namespace: str
) -> None:
    made = Scope(bed, namespace, namespace)
    apply(made, aws, region="evil.example.test/")
    assert "spec.vault.auth.aws.region" in made.wait_reason("InvalidSpec")
