"""Nobody gets at another's credentials: namespaces stay apart, and tokens stay with their server."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import ControllerProcess, grant_issuer_access
from testbed.errors import HTTPError
from testbed.kube import Kube
from testbed.samples import vault_issuer
from testbed.vaultpki import PkiLayout, setup_approle, setup_kubernetes_role, setup_token
from tests.integration.support.common import (
    CERT_MANAGER,
    REQUEST,
    ready,
    request,
    secret,
    signed_csrs,
    token_auth,
    wait_ready,
    wait_reason,
)
from tests.integration.support.recording_vault import OWN_TOKEN, Recorder, recording
from tests.integration.support.scope import Scope, sweep
from tests.integration.support.waiting import wait_until

SHARED = "shared"
ROBOT = "robot"
NEW_TOKEN = "hvs.for-the-new-server-alone"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller for this module, which looks at issuers often."""
    with ControllerProcess(bed, ["--issuer-check-period=2"]) as one:
        yield one
    sweep(bed)


@pytest.fixture
def namespaced(bed: Testbed, namespace: str) -> Scope:
    """A namespaced issuer, with the controller's usual grants there."""
    made = Scope(bed, namespace, namespace, cluster=False)
    made.grant()
    return made


@pytest.fixture
def recorder(bed: Testbed, layout: PkiLayout, tmp_path: Path) -> Iterator[Recorder]:
    """Another server, which keeps all it is sent."""
    with recording(tmp_path, layout.intermediate_pem + layout.root_pem) as one:
        yield one


@pytest.fixture
def other(bed: Testbed, layout: PkiLayout, namespace: str) -> str:
    """Another namespace, whose Secret and ServiceAccount the controller may use, and Vault takes."""
    made = bed.create_namespace(f"{namespace}-o")
    grant_issuer_access(bed, made, secrets=[SHARED], service_accounts=[ROBOT])
    bed.kube.apply(secret(SHARED, made, token=setup_token(bed.vault, layout.policy)))
    bind(bed, layout, made, made)
    return made


def bind(bed: Testbed, layout: PkiLayout, role: str, namespace: str) -> None:
    """A Vault role for the ServiceAccount of a namespace, with any audience that every token has."""
    setup_kubernetes_role(
        bed.vault,
        layout.policy,
        audience=bed.vault.addr,
        role=role,
        namespace=namespace,
        service_account=ROBOT,
    )


def robot(role: str) -> dict[str, Any]:
    """``spec.vault.auth`` with the ServiceAccount of that name."""
    return {"kubernetes": {"role": role, "serviceAccountRef": {"name": ROBOT}}}


def test_a_namespaced_issuer_does_not_use_a_secret_of_another_namespace(
    bed: Testbed, layout: PkiLayout, namespaced: Scope, other: str
) -> None:
    home = namespaced.namespace
    grant_issuer_access(bed, home, secrets=[SHARED])
    bed.kube.apply(secret(SHARED, SYSTEM_NAMESPACE, token=setup_token(bed.vault, layout.policy)))
    namespaced.apply(token_auth(SHARED))
    assert f"{home}/{SHARED}" in namespaced.wait_reason("SecretNotFound")
    bed.kube.apply(secret(SHARED, home, token=setup_token(bed.vault, layout.policy)))
    namespaced.works()


@pytest.mark.parametrize("name", ["{}/shared", "../../{}/secrets/shared", "..%2F..%2F{}%2Fsecrets%2Fshared"])
def test_a_name_is_no_way_into_another_namespace(namespaced: Scope, other: str, name: str) -> None:
    namespaced.apply(token_auth(name.format(other)))
    assert "spec.vault.auth.tokenSecretRef.name: " in namespaced.wait_reason("InvalidSpec")
    namespaced.delete()
    account = name.replace("secrets/shared", f"serviceaccounts/{ROBOT}").replace(SHARED, ROBOT)
    auth = {"kubernetes": {"role": other, "serviceAccountRef": {"name": account.format(other)}}}
    namespaced.apply(auth)
    assert "spec.vault.auth.kubernetes.serviceAccountRef: " in namespaced.wait_reason("InvalidSpec")


def test_a_namespaced_issuer_does_not_use_a_service_account_of_another_namespace(
    bed: Testbed, layout: PkiLayout, namespaced: Scope, other: str
) -> None:
    home = namespaced.namespace
    grant_issuer_access(bed, home, service_accounts=[ROBOT])
    bed.kube.delete("v1", "ServiceAccount", ROBOT, home)
    namespaced.apply(robot(other))
    assert f"{home}/{ROBOT}" in namespaced.wait_reason("ServiceAccountNotFound")
    bed.service_account_token(home, ROBOT)
    namespaced.wait_reason("LoginFailed")  # Vault's role is for the other namespace's account
    bind(bed, layout, other, home)
    namespaced.works()


def test_a_cluster_issuer_uses_only_the_cluster_resource_namespace(
    bed: Testbed, layout: PkiLayout, cluster: Scope, namespaced: Scope
) -> None:
    here = namespaced.namespace
    token = setup_token(bed.vault, layout.policy)
    bed.kube.apply(secret(cluster.credentials, here, token=token))
    cluster.apply({"tokenSecretRef": cluster.reference("token")})
    assert f"{SYSTEM_NAMESPACE}/{cluster.credentials}" in cluster.wait_reason("SecretNotFound")

    grant_issuer_access(bed, here, service_accounts=[ROBOT])
    bind(bed, layout, cluster.name, here)
    cluster.delete()
    cluster.apply(robot(cluster.name))
    # Not permitted rather than not found: in its home the controller may ask tokens of one account only.
    assert f"{SYSTEM_NAMESPACE}/{ROBOT}" in cluster.wait_reason("TokenRequestForbidden")

    cluster.delete()
    cluster.store(token=token)
    cluster.apply({"tokenSecretRef": cluster.reference("token")})
    cluster.works()


@pytest.mark.parametrize(
    ("where", "field"),
    [
        ("auth.tokenSecretRef", {"auth": {"tokenSecretRef": {"name": SHARED}}}),
        (
            "auth.appRole.secretRef",
            {"auth": {"appRole": {"path": "", "roleId": "x", "secretRef": {"name": SHARED, "key": "token"}}}},
        ),
        (
            "auth.clientCertificate.secretName",
            {"auth": {"clientCertificate": {"secretName": SHARED}}},
        ),
        (
            "auth.kubernetes.secretRef",
            {"auth": {"kubernetes": {"role": "x", "secretRef": {"name": SHARED}}}},
        ),
        ("caBundleSecretRef", {"caBundle": None, "caBundleSecretRef": {"name": SHARED}}),
        (
            "clientCertSecretRef",
            {"clientCertSecretRef": {"name": SHARED}, "clientKeySecretRef": {"name": SHARED}},
        ),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_no_field_reaches_a_secret_of_another_namespace(
    bed: Testbed, scope: Scope, other: str, where: str, field: dict[str, Any]
) -> None:
    if not scope.cluster:
        grant_issuer_access(bed, scope.home, secrets=[SHARED])
    for place in {scope.namespace, SYSTEM_NAMESPACE} - {scope.home}:
        bed.kube.apply(secret(SHARED, place, token="of another namespace"))
    bed.kube.delete("v1", "Secret", SHARED, scope.home)
    more = {key: value for key, value in field.items() if key != "auth"}
    scope.apply(field.get("auth", token_auth("unused")), **more)
    message = scope.wait_reason("SecretNotFound")
    assert f"spec.vault.{where}" in message
    assert f"{scope.home}/{SHARED}" in message


def test_without_a_grant_the_controller_can_read_no_secret(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    bare = Scope(bed, namespace, namespace, cluster=False)
    bare.store(token=setup_token(bed.vault, layout.policy))
    bare.apply({"tokenSecretRef": bare.reference("token")})
    assert f"{namespace}/{bare.credentials}" in bare.wait_reason("SecretForbidden")
    bare.grant()
    bare.works()


def test_a_namespaced_issuer_serves_no_request_of_another_namespace(
    bed: Testbed, layout: PkiLayout, namespaced: Scope, cluster: Scope, other: str
) -> None:
    for scope in (namespaced, cluster):  # of the same name, both Ready
        scope.store(token=setup_token(bed.vault, layout.policy))
        scope.apply({"tokenSecretRef": scope.reference("token")})
        scope.wait_ready()
    before = len(signed_csrs(bed))
    request(bed, "foreign", other, namespaced.name, kind="VaultIssuer")
    waiting = bed.kube.wait(CERT_MANAGER, REQUEST, "foreign", other, until="Ready=False")
    assert f"{other}/{namespaced.name}" in ready(waiting)["message"]
    namespaced.issue("own")
    time.sleep(1)
    assert len(signed_csrs(bed)) == before + 1
    assert "certificate" not in bed.kube.get(CERT_MANAGER, REQUEST, "foreign", other)["status"]


def elsewhere(recorder: Recorder) -> dict[str, str]:
    """Fields of ``spec.vault`` that name the other server."""
    return {"server": recorder.address, "caBundle": recorder.ca_bundle}


FOR_OTHERS = {
    "tls": ("kubernetes.io/tls", {"tls.crt": "a", "tls.key": "correct horse"}),
    "docker": ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": '{"auths": {}}'}),
    "helm": ("helm.sh/release.v1", {"release": "correct horse"}),
}


def test_secrets_and_tokens_for_others_are_not_sent_to_a_tenants_server(
    bed: Testbed, recorder: Recorder, namespace: str
) -> None:
    names = [f"for-{one}" for one in (*FOR_OTHERS, "account")]
    grant_issuer_access(bed, namespace, secrets=[*names, "ca"], service_accounts=[ROBOT])
    for name, (kind, data) in FOR_OTHERS.items():
        bed.kube.apply({**secret(f"for-{name}", namespace, **data), "type": kind})
    account = secret("for-account", namespace, token="hvs.static")
    account["metadata"]["annotations"] = {"kubernetes.io/service-account.name": ROBOT}
    bed.kube.apply({**account, "type": "kubernetes.io/service-account-token"})

    def issuer(name: str, auth: dict[str, Any]) -> None:
        made = vault_issuer(bed, name, namespace, auth)
        made["spec"]["vault"] |= elsewhere(recorder)
        bed.kube.apply(made)

    for name, (_, data) in FOR_OTHERS.items():
        reference = {"name": f"for-{name}", "key": list(data)[-1]}
        issuer(f"by-{name}", {"appRole": {"path": "", "roleId": "x", "secretRef": reference}})
    issuer("by-account", {"kubernetes": {"role": "x", "secretRef": {"name": "for-account"}}})
    api_server = token_claims(bed.service_account_token(namespace, ROBOT))["aud"][0]
    for name, audience in (("api", api_server), ("other", "vault://prod/prod")):
        account_ref = {"name": ROBOT, "audiences": ["https://fine.test", audience]}
        issuer(name, {"kubernetes": {"role": "x", "serviceAccountRef": account_ref}})
    for name in (*FOR_OTHERS, "account"):
        assert f"{namespace}/for-{name}" in wait_reason(bed, f"by-{name}", "SecretTypeNotAllowed", namespace)
    assert f'act as ServiceAccount "{namespace}/{ROBOT}"' in wait_reason(
        bed, "api", "AudienceRefused", namespace
    )
    assert "vault://prod/prod" in wait_reason(bed, "other", "AudienceRefused", namespace)
    assert not [call for call in recorder.calls if call.path.endswith("/login") or call.tokens]
    assert not any(recorder.was_sent(text) for text in ("correct horse", "eyJ"))

    # What nobody else trusts is sent, and a CA bundle may be in a Secret of any type.
    account_ref = {"name": ROBOT, "audiences": ["https://fine.test", f"vault://{namespace}/fine"]}
    issuer("fine", {"kubernetes": {"role": "x", "serviceAccountRef": account_ref}})
    wait_ready(bed, "fine", namespace)
    sent = next(json.loads(call.body)["jwt"] for call in recorder.calls if call.path.endswith("/login"))
    assert set(token_claims(sent)["aud"]) >= {"https://fine.test", f"vault://{namespace}/fine"}
    with closing(Kube(bed.server, bed.ca_file, sent)) as thief, pytest.raises(HTTPError) as caught:
        thief.list("v1", "Secret", namespace)
    assert caught.value.status == 401


def token_claims(token: str) -> dict[str, Any]:
    """The claims of a JWT."""
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


@pytest.mark.parametrize("method", ["token", "appRole"])
def test_an_issuer_made_again_with_another_server_never_sends_it_the_old_credentials(
    scope: Scope, layout: PkiLayout, recorder: Recorder, method: str
) -> None:
    bed = scope.bed
    auth, credential = old_auth(scope, layout, method)
    scope.apply(auth)
    scope.works()
    for number in range(5):
        scope.request(f"before-{number}")
    scope.delete()
    bed.kube.apply(secret(scope.ca_secret, scope.home, token=NEW_TOKEN))
    scope.apply(token_auth(scope.ca_secret), **elsewhere(recorder))
    scope.wait_ready()
    scope.request("after")
    wait_until(lambda: recorder.signs > 0, "the new server is asked to sign")
    assert recorder.tokens == {NEW_TOKEN}
    assert not recorder.was_sent(credential)


def old_auth(scope: Scope, layout: PkiLayout, method: str) -> tuple[dict[str, Any], str]:
    """``spec.vault.auth`` for the real Vault, and the credential that is for it alone."""
    if method == "token":
        token = setup_token(scope.bed.vault, layout.policy)
        scope.store(token=token)
        return {"tokenSecretRef": scope.reference("token")}, token
    login = setup_approle(scope.bed.vault, layout.policy, name=scope.name)
    scope.store(id=login.secret_id)
    role = {"path": "approle", "roleId": login.role_id, "secretRef": scope.reference("id")}
    return {"appRole": role}, login.secret_id


def test_a_login_token_stays_with_its_server_when_the_server_is_edited(
    scope: Scope, layout: PkiLayout, recorder: Recorder
) -> None:
    auth, _ = old_auth(scope, layout, "appRole")
    scope.apply(auth)
    scope.works()
    for number in range(5):
        scope.request(f"before-{number}")
    scope.apply(auth, **elsewhere(recorder))
    scope.request("meanwhile")
    wait_until(lambda: recorder.signs > 0, "the new server is asked to sign")
    assert recorder.tokens == {OWN_TOKEN}, "only what it gave out itself"
    refused = len(refusals(scope, layout))
    scope.apply(auth)
    scope.wait_ready()
    scope.issue("back")
    assert len(refusals(scope, layout)) == refused, "the real Vault never met the other server's token"
    assert recorder.tokens == {OWN_TOKEN}


def refusals(scope: Scope, layout: PkiLayout) -> list[object]:
    """Calls of the sign path that Vault refused for their token."""
    found = scope.bed.vault.audited(layout.sign_path)
    return [one for one in found if "permission denied" in str(one.get("error", ""))]


def test_a_token_replaced_before_the_server_is_edited_is_never_sent_to_the_new_one(
    scope: Scope, layout: PkiLayout, recorder: Recorder
) -> None:
    auth, old = old_auth(scope, layout, "token")
    scope.apply(auth)
    scope.works()
    scope.store(token=NEW_TOKEN)
    scope.apply(auth, **elsewhere(recorder))
    scope.request("after")
    wait_until(lambda: recorder.signs > 0, "the new server is asked to sign")
    assert recorder.tokens == {NEW_TOKEN}
    assert not recorder.was_sent(old)
