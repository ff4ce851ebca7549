"""Roots of cluster issuers in ConfigMaps: mended, both while a rotation goes on, and never over others'."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from issuer.api.issuers import SpecError
from issuer.api.model import parse_model
from issuer.api.trust import Trust
from testbed.cluster import REPOSITORY, Testbed
from testbed.controller import ControllerProcess
from testbed.errors import HTTPError
from testbed.kube import Object
from testbed.samples import API_VERSION, vault_cluster_issuer
from testbed.vaultpki import PkiLayout, mount_pki, setup_policy, setup_role, setup_token, sign_intermediate
from tests.integration.support.common import condition, token_auth
from tests.integration.support.forwarding_vault import DyingVault
from tests.integration.support.scope import Scope, sweep
from tests.integration.support.trust import trust_rights
from tests.integration.support.waiting import wait_until
from tests.unit.docs.pages import documents

BUNDLE: Final = ("certificates.k8s.io/v1beta1", "ClusterTrustBundle")
MAP, UNGRANTED = "trusted-roots", "not-granted"
ARGUMENTS: Final = [
    "--issuer-check-period=1",
    "--vault-timeout=2",
    f"--trust-config-map={MAP}",
    f"--trust-config-map={UNGRANTED}",
    "--cluster-trust-bundles",
]
MOUNT: Final = "pki_spread"
CONDITION: Final = "TrustDistributed"


@pytest.fixture(scope="module", autouse=True)
def controller(bed: Testbed, layout: PkiLayout) -> Iterator[ControllerProcess]:
    """A controller that may write ConfigMaps of one name, and a mount with a CA below the root."""
    mount_pki(bed.vault, MOUNT, 8000)
    sign_intermediate(bed.vault, layout.root_mount, MOUNT, "first", 4000, "First CA")
    setup_role(bed.vault, MOUNT, "lab")
    setup_policy(bed.vault, MOUNT, "lab")
    with trust_rights(bed), ControllerProcess(bed, ARGUMENTS) as one:
        yield one
        sweep(bed)


def trust(namespace: str, name: str = MAP, **more: Any) -> dict[str, Any]:
    """`spec.trust` for one namespace."""
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [namespace]}
    wanted = {"name": name, "namespaceSelector": {"matchExpressions": [expression]}, **more}
    return {"trust": {"configMap": wanted}}


def applied(scope: Scope, own: dict[str, Any], **vault: Any) -> None:
    scope.apply_with_token(
        setup_token(scope.bed.vault, f"{MOUNT}-lab"), own, path=f"{MOUNT}/sign/lab", **vault
    )


def told(scope: Scope, reason: str) -> str:
    """Wait until the issuer's condition has that reason; its message."""

    def holds(found: Object) -> bool:
        return condition(found, CONDITION).get("reason") == reason

    found = scope.bed.kube.wait(API_VERSION, scope.kind, scope.name, until=holds)
    return str(condition(found, CONDITION)["message"])


def roots(bed: Testbed, namespace: str, key: str = "ca.crt") -> list[str]:
    """The certificates of the ConfigMap in that namespace; none where there is none."""
    found = bed.kube.find("v1", "ConfigMap", MAP, namespace)
    text = (found or {}).get("data", {}).get(key, "")
    return [f"{one.strip()}\n{_END}" for one in text.split(_END) if one.strip()]


def distributed(controller: ControllerProcess, issuer: str) -> str:
    """The value of the issuer's metric."""
    row = f'vault_issuer_trust_distributed{{kind="VaultClusterIssuer",name="{issuer}",namespace=""}} '
    (value,) = re.findall(f"^{re.escape(row)}(.*)$", controller.metrics(), re.MULTILINE)
    return str(value)


_END: Final = "-----END CERTIFICATE-----"


def wait_roots(bed: Testbed, namespace: str, *wanted: str, key: str = "ca.crt") -> None:
    expected = {one.strip() for one in wanted}
    wait_until(lambda: set(roots(bed, namespace, key)) == expected, f"the roots of {namespace}")


def test_roots_are_put_into_namespaces_mended_and_taken_away_by_the_spec(
    bed: Testbed, cluster: Scope, layout: PkiLayout
) -> None:
    """Also into those that are selected later; nobody's edit stays."""
    where = cluster.namespace
    later = f"{where}-later"
    everywhere = {"matchExpressions": [{"key": "trust-test", "operator": "Exists"}]}
    applied(cluster, {"trust": {"configMap": {"name": MAP, "namespaceSelector": everywhere}}})
    cluster.wait_checked()
    told(cluster, "Distributed")
    assert roots(bed, where) == []
    namespace = {"apiVersion": "v1", "kind": "Namespace"}
    bed.kube.apply({**namespace, "metadata": {"name": where, "labels": {"trust-test": ""}}})
    bed.kube.apply({**namespace, "metadata": {"name": later, "labels": {"trust-test": ""}}})
    for one in (where, later):
        wait_roots(bed, one, layout.root_pem)
    bed.kube.patch("v1", "ConfigMap", MAP, {"data": {"ca.crt": "mine", "more": "x"}}, where)
    bed.kube.delete("v1", "ConfigMap", MAP, later)
    for one in (where, later):
        wait_roots(bed, one, layout.root_pem)
    assert set(bed.kube.get("v1", "ConfigMap", MAP, where)["data"]) == {"ca.crt"}
    assert "1 root is" in told(cluster, "Distributed")
    applied(cluster, trust(later, key="roots.pem"))
    wait_roots(bed, later, layout.root_pem, key="roots.pem")
    wait_roots(bed, where)
    applied(cluster, {})
    wait_roots(bed, later, key="roots.pem")
    found = bed.kube.wait(
        API_VERSION, cluster.kind, cluster.name, until=lambda one: not condition(one, CONDITION)
    )
    assert condition(found, "Ready")["status"] == "True"


@pytest.mark.parametrize(
    "wanted",
    [
        {"name": "kube-root-ca.crt", "namespaceSelector": {}},
        {"name": "Upper", "namespaceSelector": {}},
        {"name": MAP},
        {"name": MAP, "key": "a/b", "namespaceSelector": {}},
        {"name": MAP, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}},
        {
            "name": MAP,
            "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]},
        },
        {"name": MAP, "namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Equals"}]}},
        None,
    ],
    ids=str,
)
def test_the_api_server_refuses_what_we_could_not_work_with(
    bed: Testbed, wanted: dict[str, Any] | None
) -> None:
    spec = {} if wanted is None else {"configMap": wanted}
    with pytest.raises(SpecError, match=r"spec\.trust"):
        parse_model(Trust, spec, "spec.trust", strict=True)
    issuer = vault_cluster_issuer(bed, "bad-trust", token_auth("none"))
    issuer["spec"]["trust"] = spec
    with pytest.raises(HTTPError) as refused:
        bed.kube.create(issuer)
    assert refused.value.status == 422


def test_what_somebody_else_made_is_left_alone_and_told(
    bed: Testbed, cluster: Scope, layout: PkiLayout, controller: ControllerProcess
) -> None:
    """And a name that another issuer has, that the operator gave no right to, or doesn't know of."""
    where = cluster.namespace
    theirs = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": MAP, "namespace": where}}
    bed.kube.create({**theirs, "data": {"ca.crt": "theirs"}})
    applied(cluster, trust(where))
    assert where in told(cluster, "NamespacesLeftOut")
    assert '\nvault_issuer_trust_namespaces_left_out{cause="not_ours"} 1.0\n' in controller.metrics()
    assert distributed(controller, cluster.name) == "1.0"
    assert bed.kube.get("v1", "ConfigMap", MAP, where)["data"] == {"ca.crt": "theirs"}
    bed.kube.delete("v1", "ConfigMap", MAP, where)
    told(cluster, "Distributed")
    wait_roots(bed, where, layout.root_pem)
    second = Scope(bed, f"{cluster.name}-z", where)
    applied(second, trust(where))
    assert f'"{cluster.name}"' in told(second, "ConfigMapTaken")
    assert distributed(controller, second.name) == "0.0"
    cluster.delete()
    told(second, "Distributed")
    assert bed.kube.get("v1", "ConfigMap", MAP, where)["metadata"]["annotations"] == {
        "vault-issuer.io/trust-issuer": f"VaultClusterIssuer {second.name}"
    }
    applied(second, trust(where, "unknown"))
    assert "--trust-config-map" in told(second, "ConfigMapNotAllowed")
    applied(second, trust(where, UNGRANTED))
    assert "trustDistribution" in told(second, "ConfigMapsForbidden")
    second.delete()


def test_both_roots_stay_while_a_rotation_goes_on_and_none_leaves_while_vault_is_away(
    bed: Testbed, cluster: Scope, layout: PkiLayout, controller: ControllerProcess
) -> None:
    where = cluster.namespace
    with DyingVault(bed, "spread") as vault:
        applied(cluster, trust(where), server=vault.addr, caBundle=vault.ca_bundle)
        wait_roots(bed, where, layout.root_pem)
        made = {"common_name": "Next Root", "issuer_name": "next", "key_type": "ec", "ttl": "8000h"}
        new = bed.vault.write(f"{MOUNT}/root/generate/internal", made)["certificate"]
        wait_roots(bed, where, layout.root_pem, new)
        told(cluster, "Distributed")
        controller.stop()
        vault.pause()
        bed.kube.patch("v1", "ConfigMap", MAP, {"data": {"ca.crt": "gone"}}, where)
        controller.start()
        cluster.wait_reason("VaultUnreachable")
        assert condition(bed.kube.get(API_VERSION, cluster.kind, cluster.name), CONDITION)["status"] == "True"
        assert bed.kube.get("v1", "ConfigMap", MAP, where)["data"] == {"ca.crt": "gone"}
        vault.resume()
        wait_roots(bed, where, layout.root_pem, new)
        bed.vault.delete(f"{MOUNT}/issuer/next")
        wait_roots(bed, where, layout.root_pem)
        cluster.delete()  # as `kubectl replace --force` does
        other = Scope(bed, f"{cluster.name}-z", where)
        applied(other, trust(where, UNGRANTED))
        told(other, "ConfigMapsForbidden")
        wait_roots(bed, where, layout.root_pem)
        other.delete()
        applied(cluster, trust(where), server=vault.addr, caBundle=vault.ca_bundle)
        told(cluster, "Distributed")
        bed.kube.patch("v1", "ConfigMap", MAP, {"immutable": True}, where)
        applied(cluster, trust(where, key="roots.pem"), server=vault.addr, caBundle=vault.ca_bundle)
        wait_roots(bed, where, layout.root_pem, key="roots.pem")
        applied(cluster, {})
        wait_roots(bed, where, key="roots.pem")


def test_the_api_server_keeps_the_volumes_of_the_page(bed: Testbed, cluster: Scope) -> None:
    """Where its feature gates are those of the page; it drops a source that it doesn't know."""
    where = {"namespace": cluster.namespace}
    bed.kube.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", **where}})
    page = documents(REPOSITORY / "docs" / "trust.md")
    volumes = [one for block in page for one in block.get("volumes", ())]
    assert [set(one) for one in volumes] == [{"name", "configMap"}, {"name", "projected"}]
    for volume in volumes:
        mounts = [{"name": volume["name"], "mountPath": "/roots"}]
        spec = {
            "automountServiceAccountToken": False,
            "containers": [{"name": "one", "image": "one", "volumeMounts": mounts}],
            "volumes": [volume],
        }
        made = bed.kube.create(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "page", **where}, "spec": spec}
        )
        bed.kube.delete("v1", "Pod", "page", cluster.namespace)
        for kind in ("configMap", "projected"):
            made["spec"]["volumes"][0].get(kind, {}).pop("defaultMode", None)
        assert made["spec"]["volumes"] == [volume]


def test_a_cluster_trust_bundle_has_the_roots_until_nobody_wants_it(
    bed: Testbed, cluster: Scope, layout: PkiLayout, controller: ControllerProcess
) -> None:
    """Of the issuer's signer; mended, and removed also where the spec changed while no controller ran."""
    name = f"vaultclusterissuers.vault-issuer.io:{cluster.name}:roots"

    def bundle() -> Object:
        found = bed.kube.find(*BUNDLE, name)
        return {} if found is None else dict(found["spec"])

    wanted = {"signerName": f"vaultclusterissuers.vault-issuer.io/{cluster.name}"}
    wanted["trustBundle"] = f"{layout.root_pem.strip()}\n"
    applied(cluster, {"trust": {"clusterTrustBundle": {}, **trust(cluster.namespace)["trust"]}})
    assert "ConfigMap" in told(cluster, "Distributed")
    assert bundle() == wanted
    wait_roots(bed, cluster.namespace, layout.root_pem)
    bed.kube.patch(*BUNDLE, name, {"spec": {"trustBundle": layout.intermediate_pem}})
    wait_until(lambda: bundle() == wanted, "it is mended")
    bed.kube.delete(*BUNDLE, name)
    wait_until(lambda: bundle() == wanted, "it is made again")
    applied(cluster, trust(cluster.namespace))
    wait_until(lambda: not bundle(), "it is removed")
    applied(cluster, {"trust": {"clusterTrustBundle": {}}})
    wait_until(bundle, "it is there")
    wait_roots(bed, cluster.namespace)
    controller.stop()
    applied(cluster, {})
    controller.start()
    wait_until(lambda: not bundle(), "what nobody wants is removed")
