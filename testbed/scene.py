"""A cluster with something of everything that the status page shows: for its tests and its pictures.

Ready and broken issuers, a CA that ends soon, requests that were issued, denied, failed and that wait, and
Certificates that end over the next days. All of it is real: nothing is written into a status from here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.kube import Object
from testbed.samples import (
    EVERYBODY,
    certificate,
    kubernetes_auth,
    lab_policy,
    secret,
    use_binding,
    vault_cluster_issuer,
    vault_issuer,
)
from testbed.vaultpki import (
    DOMAIN,
    PkiLayout,
    mount_pki,
    setup_kubernetes_role,
    setup_policy,
    setup_role,
    setup_token,
    sign_intermediate,
)

NAMESPACES = ("shop", "payments", "observability", "edge")
_SERVICES = ("web", "api", "db", "cache", "ingress", "queue", "auth", "search", "mail", "metrics")
_SHORT_CA_HOURS = 24 * 19


def prepare(bed: Testbed, layout: PkiLayout) -> None:
    """Namespaces, policies and issuers: ``vault`` Ready, ``legacy`` with a role that Vault lacks, and
    ``edge/edge`` on a CA with three weeks left."""
    for name in NAMESPACES:
        if bed.kube.find("v1", "Namespace", name) is None:
            bed.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    bed.kube.apply([lab_policy("lab-names"), *use_binding("lab-names", [EVERYBODY])])
    audience = "vault://vault"
    login = setup_kubernetes_role(bed.vault, layout.policy, audience=audience, role="scene")
    token = setup_token(bed.vault, layout.policy, ttl="24h")
    _short_ca(bed, layout)
    bed.kube.apply(
        [
            vault_cluster_issuer(bed, "vault", kubernetes_auth(login.role, login.service_account)),
            secret("legacy-token", SYSTEM_NAMESPACE, token=token),
            vault_cluster_issuer(
                bed, "legacy", {"tokenSecretRef": {"name": "legacy-token"}}, path="pki_int/sign/web-2019"
            ),
            secret("edge-token", "edge", token=setup_token(bed.vault, "pki_edge-edge", ttl="24h")),
            vault_issuer(
                bed, "edge", "edge", {"tokenSecretRef": {"name": "edge-token"}}, path="pki_edge/sign/edge"
            ),
        ]
    )


def _short_ca(bed: Testbed, layout: PkiLayout) -> None:
    mount_pki(bed.vault, "pki_edge", 8000)
    sign_intermediate(bed.vault, layout.root_mount, "pki_edge", "edge", _SHORT_CA_HOURS, "Edge CA 2026")
    setup_role(bed.vault, "pki_edge", "edge", max_ttl="200h")
    setup_policy(bed.vault, "pki_edge", "edge")


def certificates(count: int) -> Iterator[Object]:
    """Certificates of many lives, so that they end over the next two weeks."""
    chance = random.Random(7)  # noqa: S311 - the same picture each time
    for number in range(count):
        namespace = NAMESPACES[number % 3]
        name = f"{_SERVICES[number % len(_SERVICES)]}-{number // len(_SERVICES) + 1}"
        hours = min(24 * 13, max(6, round(chance.gammavariate(2.6, 40))))
        yield certificate(name, namespace, "vault", [f"{name}.{namespace}.{DOMAIN}"], duration=f"{hours}h")


def edge_certificates() -> Iterator[Object]:
    """A few of the issuer whose CA ends soon."""
    for name in ("gateway", "vpn"):
        yield certificate(name, "edge", "edge", [f"{name}.{DOMAIN}"], kind="VaultIssuer", duration="96h")
