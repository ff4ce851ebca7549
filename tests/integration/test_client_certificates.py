"""TLS client certificates: as a login, for a listener that asks for one, and both; the system's CA store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from testbed.certs import ClientCA, ClientPair
from testbed.cluster import Testbed
from testbed.controller import ControllerProcess
from testbed.samples import API_VERSION
from testbed.vaultpki import PkiLayout, setup_approle, setup_certificate_auth, setup_token
from tests.integration.support.common import secret
from tests.integration.support.scope import Scope, sweep


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed) -> Iterator[ControllerProcess]:
    """One controller, whose system store knows the CA of Vault's listener."""
    env = {"SSL_CERT_FILE": str(bed.vault.ca_file)}
    with ControllerProcess(bed, ["--issuer-check-period=2"], env=env) as one:
        yield one
    sweep(bed)


def store(scope: Scope, pair: ClientPair) -> None:
    """Write the pair into the scope's Secret, as cert-manager would."""
    scope.store(**{"tls.crt": pair.certificate, "tls.key": pair.key})


def certificate(scope: Scope, **more: str) -> dict[str, Any]:
    """``spec.vault.auth`` with the scope's Secret."""
    return {"clientCertificate": {"secretName": scope.credentials, **more}}


def logins(scope: Scope, mount: str) -> list[str]:
    """Common names of the certificates that logged in at this mount."""
    found = [one["auth"] for one in scope.bed.vault.audited(f"auth/{mount}/login")]
    return [auth["metadata"]["common_name"] for auth in found if auth.get("client_token")]


def test_a_certificate_in_a_secret_logs_in_and_is_replaced_without_a_restart(
    scope: Scope, layout: PkiLayout, controller: ControllerProcess
) -> None:
    bed, mount = scope.bed, f"{scope.name}/cert"
    first, second = ClientCA("first team"), ClientCA("second team")
    path = setup_certificate_auth(bed.vault, layout.policy, first.pem, mount=mount, name="one")
    pair = first.issue("first-controller")
    store(scope, pair)
    scope.apply(certificate(scope, mountPath=path, name="nobody"))
    message = scope.wait_reason("LoginFailed")
    assert '"nobody"' in message
    scope.apply(certificate(scope, mountPath=path))
    assert "logged in by clientCertificate" in scope.works()
    setup_certificate_auth(bed.vault, layout.policy, second.pem, mount=mount, name="two")
    store(scope, second.issue("second-controller"))
    until_login(scope, mount, "second-controller")
    scope.issue("two")
    assert logins(scope, mount) == ["first-controller", "second-controller"]
    assert pair.key.splitlines()[1] not in controller.log.read_text()


def until_login(scope: Scope, mount: str, name: str) -> None:
    """Wait until that client logged in."""
    for _ in range(150):
        if name in logins(scope, mount):
            return
        time.sleep(0.1)
    raise AssertionError(f"{name} did not log in")


def test_a_listener_that_asks_for_a_certificate_gets_the_connections_which_may_log_in_too(
    scope: Scope, layout: PkiLayout
) -> None:
    bed = scope.bed
    client = bed.vault.client_ca.issue("connection")
    path = setup_certificate_auth(bed.vault, layout.policy, bed.vault.client_ca.pem, mount=f"{scope.name}-c")
    scope.store(id=setup_approle(bed.vault, layout.policy, name=scope.name).secret_id)
    role = bed.vault.read(f"auth/approle/role/{scope.name}/role-id")["role_id"]
    app_role = {"appRole": {"path": "", "roleId": role, "secretRef": scope.reference("id")}}
    scope.apply(app_role, server=bed.vault.mtls_addr)
    assert "clientCertSecretRef" in scope.wait_reason("ClientCertificateRefused")
    bed.kube.apply(
        secret(scope.ca_secret, scope.home, **{"tls.crt": client.certificate, "a-key": client.key})
    )
    connection = {
        "server": bed.vault.mtls_addr,
        "clientCertSecretRef": {"name": scope.ca_secret},
        "clientKeySecretRef": {"name": scope.ca_secret, "key": "a-key"},
    }
    scope.apply(app_role, **connection)
    assert "logged in by appRole" in scope.works()
    scope.apply({"clientCertificate": {"mountPath": path}}, **connection)
    until_login(scope, f"{scope.name}-c", "connection")
    scope.issue("two")


def test_a_stranger_is_told_from_an_ended_and_a_broken_pair(cluster: Scope, layout: PkiLayout) -> None:
    bed = cluster.bed
    bed.kube.apply(secret(cluster.ca_secret, cluster.home, token=setup_token(bed.vault, layout.policy)))
    reference = {"name": cluster.credentials}
    cluster.apply(
        {"tokenSecretRef": {"name": cluster.ca_secret}},
        server=bed.vault.mtls_addr,
        clientCertSecretRef=reference,
        clientKeySecretRef=reference,
    )
    where = f'clientCertSecretRef and clientKeySecretRef: Secret "{cluster.home}/{cluster.credentials}"'
    good, other = bed.vault.client_ca.issue("good"), bed.vault.client_ca.issue("other")
    assert cluster.credentials in cluster.wait_reason("SecretNotFound")
    store(cluster, ClientPair(good.certificate, other.key))
    message = cluster.wait_reason("InvalidClientCertificate")
    assert where in message
    assert "does not belong" in message
    assert "PRIVATE" not in message
    store(cluster, ClientCA("strangers").issue("stranger"))
    assert "tls_client_ca_file" in cluster.wait_reason("ClientCertificateRefused")
    store(cluster, bed.vault.client_ca.issue("late", life=timedelta(days=-2)))
    bed.kube.wait(
        API_VERSION, cluster.kind, cluster.name, until=lambda one: "expired at" in str(one.get("status"))
    )
    store(cluster, good)
    cluster.works()


def test_a_login_without_a_certificate_and_one_over_http_are_told(cluster: Scope, layout: PkiLayout) -> None:
    cluster.apply({"clientCertificate": {}})
    assert "secretName" in cluster.wait_reason("InvalidSpec")
    cluster.delete()
    plain = cluster.bed.vault.addr.replace("https:", "http:")
    store(cluster, ClientCA("team").issue("controller"))
    cluster.apply(certificate(cluster), server=plain, caBundle=None)
    assert "https" in cluster.wait_reason("InvalidSpec")


def test_a_certificate_of_another_namespace_is_not_used(
    bed: Testbed, layout: PkiLayout, namespace: str
) -> None:
    other = Scope(bed, f"{namespace}-o", bed.create_namespace(f"{namespace}-o"), cluster=False)
    made = Scope(bed, namespace, namespace, cluster=False)
    other.grant()
    made.grant()
    trusted = ClientCA("one team")
    path = setup_certificate_auth(bed.vault, layout.policy, trusted.pem, mount=f"{namespace}-c")
    pair = trusted.issue("controller")
    for place in (other.home, "vault-issuer-system"):
        bed.kube.apply(secret(made.credentials, place, **{"tls.crt": pair.certificate, "tls.key": pair.key}))
    reference = {"name": made.credentials}
    made.apply(certificate(made, mountPath=path))
    assert f'secretName: there is no Secret "{namespace}/{made.credentials}"' in made.wait_reason(
        "SecretNotFound"
    )
    made.apply(
        {"clientCertificate": {"mountPath": path}},
        clientCertSecretRef=reference,
        clientKeySecretRef=reference,
    )
    assert f'there is no Secret "{namespace}/{made.credentials}"' in made.wait_reason("SecretNotFound")
    for name in (f"../../{other.home}/secrets/{made.credentials}", f"{other.home}/{made.credentials}"):
        made.apply({"clientCertificate": {"mountPath": path, "secretName": name}})
        assert "spec.vault.auth.clientCertificate.secretName.name: " in made.wait_reason("InvalidSpec")
    assert logins(made, f"{namespace}-c") == []
    store(made, pair)
    made.apply(certificate(made, mountPath=path))
    made.works()


def test_short_tokens_of_certificate_logins_live_on(cluster: Scope, layout: PkiLayout) -> None:
    vault, own = cluster.bed.vault, Scope(cluster.bed, f"{cluster.name}-own", cluster.namespace)
    ca = ClientCA("short")
    paths = [
        setup_certificate_auth(vault, layout.policy, ca.pem, mount=f"{one.name}-c", token_ttl="4s")
        for one in (cluster, own)
    ]
    for one in (cluster, own):
        store(one, ca.issue(one.name))
    reference = {"name": cluster.credentials}
    usual = {"clientCertificate": {"mountPath": paths[0]}}
    cluster.apply(usual, clientCertSecretRef=reference, clientKeySecretRef=reference)
    own.apply(certificate(own, mountPath=paths[1]))
    cluster.wait_ready()
    own.wait_ready()
    time.sleep(7)
    cluster.issue("usual")
    own.issue("own")
    assert len(logins(cluster, f"{cluster.name}-c")) == 1, "the connection's certificate renews its token"
    assert len(logins(own, f"{own.name}-c")) >= 2, "a login's own certificate logs in anew"
    renewals = [one for one in vault.audited("auth/token/renew-self") if one.get("error")]
    assert renewals == []


def test_without_a_bundle_the_systems_store_is_trusted(scope: Scope, layout: PkiLayout) -> None:
    scope.store(token=setup_token(scope.bed.vault, layout.policy))
    scope.apply({"tokenSecretRef": scope.reference("token")}, caBundle=None)
    scope.works()
