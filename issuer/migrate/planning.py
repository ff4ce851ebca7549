"""The plan: all steps, in the order in which people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from issuer.explain.documents import Document
from issuer.explain.errors import BadInput
from issuer.explain.rbac import bound_groups
from issuer.migrate.access import access_steps, approve_steps, old_grants
from issuer.migrate.inventory import Inventory, sort
from issuer.migrate.issuers import Issuers, carry_issuers
from issuer.migrate.judging import judged
from issuer.migrate.options import Options
from issuer.migrate.plan import Action, Note, Plan, Step, info, todo
from issuer.migrate.policies import Policies, carry_policies
from issuer.migrate.references import certificate_steps, ingress_steps, signing_request_steps
from issuer.migrate.roles import role_steps
from issuer.migrate.starter import NONE, starter_steps


def make_plan(inventory: Inventory, options: Options, more: Iterable[Note] = ()) -> Plan:
    """What has to be done to move what is in the inventory. Raises BadInput if nothing is to be moved."""
    if not (inventory.issuers or inventory.policies):
        raise BadInput(
            "nothing to migrate: no Issuer or ClusterIssuer of cert-manager.io, and no "
            "CertificateRequestPolicy of policy.cert-manager.io, was given"
        )
    issuers = carry_issuers(inventory)
    carried = list(issuers.carried.values())
    policies = carry_policies(inventory, issuers)
    steps = (
        *issuers.steps,
        *(step for one in carried for step in access_steps(one, inventory, options)),
        *approve_steps(carried, inventory, options),
        *old_grants(carried, inventory, options),
        *policies.steps,
        *starter_steps(inventory, issuers, policies, options),
        *role_steps(inventory, issuers, policies),
        *certificate_steps(inventory, issuers),
        *ingress_steps(inventory, issuers),
        *signing_request_steps(inventory, issuers),
    )
    steps = judged(steps, inventory)
    return Plan(steps, (*more, *_notes(inventory, issuers, policies, steps)))


def plan_of(documents: Iterable[Document], options: Options, more: Iterable[Note] = ()) -> Plan:
    """The plan for these documents; `more` are notes about how they were read. Raises BadInput."""
    return make_plan(sort(documents, options.namespace), options, more)


def _notes(
    inventory: Inventory, issuers: Issuers, policies: Policies, steps: tuple[Step, ...]
) -> Iterator[Note]:
    unbound = [
        name for name in policies.manifests if not bound_groups([*inventory.roles, *inventory.bindings], name)
    ]
    if unbound:
        yield todo(
            f"no role and binding that grant use of {', '.join(sorted(unbound))} were read: give them too, "
            "or add vault-issuer.io to their apiGroups; until then these policies apply to nobody"
        )
    certificates = [
        step
        for step in steps
        if step.action is Action.CHANGE and (step.manifest or {}).get("kind") in _REISSUED
    ]
    if certificates:
        yield info(
            f"cert-manager issues anew what names another issuer ({len(certificates)} objects here); each "
            "Secret keeps its old certificate until the new one is there"
        )
    elif issuers.carried:
        yield info(
            "no Certificates or Ingresses that use these issuers were read; their issuerRef must change"
        )
    if issuers.carried:
        yield info(
            "issuer names in Pods (csi-driver volumes), in Helm values and in the settings of other programs "
            "(istio-csr) are not seen here"
        )
    if any(step.old.startswith(NONE) for step in steps):
        yield info(
            "others who make CertificateRequests themselves (csi-driver, istio-csr, people) need the use "
            "binding of a starter too; --from-cluster finds those who did"
        )
    if inventory.others:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(inventory.others.items())[:8])
        yield info(f"left alone, no concern of a migration: {kinds}")


_REISSUED = ("Certificate", "Ingress", "Gateway", "ListenerSet", "XListenerSet")
