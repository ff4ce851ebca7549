"""Each way to log in, with what takes the credential away at Vault and what puts a new one in its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from testbed.certs import ClientCA
from testbed.vaultpki import (
    PkiLayout,
    setup_approle,
    setup_certificate_auth,
    setup_kubernetes_auth,
    setup_kubernetes_role,
    setup_token,
)
from tests.integration.support.aws_services import HEADER_VALUE, REGION, ROLE_ARN, AWSStandIn
from tests.integration.support.scope import ACCOUNT, Scope


@dataclass(frozen=True)
class Rotation:
    """``auth`` and ``vault`` are the issuer's; ``logins`` counts successful logins so far."""

    auth: dict[str, Any]
    destroy: Callable[[], None]
    renew: Callable[[], None]
    logins: Callable[[], int]
    vault: dict[str, Any] = field(default_factory=dict)


def token(scope: Scope, layout: PkiLayout, _aws: AWSStandIn) -> Rotation:
    vault, name = scope.bed.vault, f"of-{scope.name}"
    first = setup_token(vault, layout.policy, display_name=name)
    scope.store(token=first)

    def logins() -> int:
        """A static token is looked up where others log in."""
        found = vault.audited("auth/token/lookup-self")
        return sum(1 for one in found if name in one["auth"].get("display_name", "") and not one.get("error"))

    return Rotation(
        {"tokenSecretRef": scope.reference("token")},
        lambda: _call(scope, "auth/token/revoke", token=first),
        lambda: scope.store(token=setup_token(vault, layout.policy, display_name=name)),
        logins,
    )


def app_role(scope: Scope, layout: PkiLayout, _aws: AWSStandIn) -> Rotation:
    vault, mount = scope.bed.vault, f"{scope.name}-a"
    login = setup_approle(vault, layout.policy, name=scope.name, mount=mount)
    scope.store(id=login.secret_id)

    def destroy() -> None:
        path = f"auth/{mount}/role/{scope.name}/secret-id/destroy"
        _call(scope, path, secret_id=login.secret_id)
        _revoke_all(scope, mount)

    def renew() -> None:
        scope.store(id=vault.write(f"auth/{mount}/role/{scope.name}/secret-id", {})["secret_id"])

    auth = {"path": mount, "roleId": login.role_id, "secretRef": scope.reference("id")}
    return Rotation({"appRole": auth}, destroy, renew, lambda: _logins(scope, mount))


def certificate(scope: Scope, layout: PkiLayout, _aws: AWSStandIn) -> Rotation:
    auth = {"secretName": scope.credentials, "name": "one"}
    return _certificate(scope, layout, ClientCA("team"), auth, {})


def connection_certificate(scope: Scope, layout: PkiLayout, _aws: AWSStandIn) -> Rotation:
    """At the listener that asks for one; the connection's certificate logs in."""
    vault = scope.bed.vault
    refs = {key: {"name": scope.credentials} for key in ("clientCertSecretRef", "clientKeySecretRef")}
    return _certificate(scope, layout, vault.client_ca, {}, {"server": vault.mtls_addr, **refs})


def _certificate(
    scope: Scope, layout: PkiLayout, ca: ClientCA, auth: dict[str, Any], more: dict[str, Any]
) -> Rotation:
    vault, mount = scope.bed.vault, f"{scope.name}-c"
    old, new = ca.issue("old"), ca.issue("new")
    path = setup_certificate_auth(vault, layout.policy, old.certificate, mount=mount, name="one")
    scope.store(**{"tls.crt": old.certificate, "tls.key": old.key})

    def destroy() -> None:
        setup_certificate_auth(vault, layout.policy, new.certificate, mount=mount, name="one")
        _revoke_all(scope, mount)

    def renew() -> None:
        scope.store(**{"tls.crt": new.certificate, "tls.key": new.key})

    found = {"clientCertificate": {"mountPath": path, **auth}}
    return Rotation(found, destroy, renew, lambda: _logins(scope, mount), more)


def kubernetes_secret(scope: Scope, layout: PkiLayout, _aws: AWSStandIn) -> Rotation:
    """A ServiceAccount's token in a Secret; Vault's role goes over to another ServiceAccount."""
    bed = scope.bed
    mount = _kubernetes(scope, layout, "vault")
    scope.store(token=bed.service_account_token(scope.home, ACCOUNT, ["vault"]))

    def destroy() -> None:
        _kubernetes(scope, layout, "vault", "another-login")
        _revoke_all(scope, mount)

    def renew() -> None:
        scope.store(token=bed.service_account_token(scope.home, "another-login", ["vault"]))

    auth = {"role": scope.name, "mountPath": f"/v1/auth/{mount}", "secretRef": {"name": scope.credentials}}
    return Rotation({"kubernetes": auth}, destroy, renew, lambda: _logins(scope, mount))


def service_account(scope: Scope, layout: PkiLayout, _aws: AWSStandIn) -> Rotation:
    """The ServiceAccount is deleted, and made again."""
    mount = _kubernetes(scope, layout, scope.audience)
    auth = {
        "role": scope.name,
        "mountPath": f"/v1/auth/{mount}",
        "serviceAccountRef": {"name": ACCOUNT},
    }

    def destroy() -> None:
        scope.bed.kube.delete("v1", "ServiceAccount", ACCOUNT, scope.home)
        _revoke_all(scope, mount)

    return Rotation(
        {"kubernetes": auth}, destroy, lambda: _create_account(scope), lambda: _logins(scope, mount)
    )


def aws_role(scope: Scope, layout: PkiLayout, aws: AWSStandIn) -> Rotation:
    """As above, with the stand-in's STS and login; what it gives out are OpenBao's tokens."""
    aws.trust.accounts.add(f"system:serviceaccount:{scope.home}:{ACCOUNT}")
    aws.trust.roles[scope.name] = layout.policy
    name, vault = f"token-aws-{scope.name}", scope.bed.vault
    before = len(aws.logins)

    def destroy() -> None:
        scope.bed.kube.delete("v1", "ServiceAccount", ACCOUNT, scope.home)
        aws.trust.keys.clear()
        for one in aws.logins[before:]:
            _call(scope, "auth/token/revoke", token=one)

    def logins() -> int:
        found = vault.audited("auth/token/create")
        return sum(1 for one in found if (one["response"].get("auth") or {}).get("display_name") == name)

    auth = {
        "role": scope.name,
        "region": REGION,
        "iamRoleArn": ROLE_ARN,
        "vaultHeaderValue": HEADER_VALUE,
        "serviceAccountRef": {"name": ACCOUNT},
    }
    where = {"server": aws.addr, "caBundle": aws.ca_bundle}
    return Rotation({"aws": auth}, destroy, lambda: _create_account(scope), logins, where)


ROTATIONS = (
    token,
    app_role,
    certificate,
    connection_certificate,
    kubernetes_secret,
    service_account,
    aws_role,
)


def _kubernetes(scope: Scope, layout: PkiLayout, audience: str, account: str = ACCOUNT) -> str:
    """A Vault role of the scope's name at a mount of its own, so that its logins can be counted."""
    mount = f"{scope.name}-k"
    setup_kubernetes_auth(scope.bed, mount=mount)
    setup_kubernetes_role(
        scope.bed.vault,
        layout.policy,
        audience=audience,
        role=scope.name,
        namespace=scope.home,
        service_account=account,
        mount=mount,
    )
    return mount


def _create_account(scope: Scope) -> None:
    scope.bed.service_account_token(scope.home, ACCOUNT)


def _revoke_all(scope: Scope, mount: str) -> None:
    """Take away every token that the mount gave out."""
    scope.bed.vault.call("POST", f"sys/leases/revoke-prefix/auth/{mount}", {"sync": True})


def _call(scope: Scope, path: str, **body: str) -> None:
    scope.bed.vault.write(path, body)


def _logins(scope: Scope, mount: str) -> int:
    found = scope.bed.vault.audited(f"auth/{mount}/login")
    return sum(1 for one in found if one["auth"].get("client_token"))
