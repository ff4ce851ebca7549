"""Assembles the plan: the steps of all modules here, in the order in which people read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from issuer.manifests.documents import Document
from issuer.manifests.errors import BadInput
from issuer.manifests.rbac import bound_groups
from issuer.migrate.options import Options
from issuer.migrate.plan import Action, Note, Plan, PlanStep, info, todo
from issuer.migrate.read.inventory import Inventory, Ref, sort
from issuer.migrate.steps.access import access_steps, approve_steps, old_grants
from issuer.migrate.steps.certificate_decisions import evaluate_certificates
from issuer.migrate.steps.issuers.carried import Issuers
from issuer.migrate.steps.issuers.carry import carry_issuers
from issuer.migrate.steps.issuers.tenants import servers_note
from issuer.migrate.steps.policies import Policies, carry_policies
from issuer.migrate.steps.references import certificate_steps, ingress_steps, signing_request_steps
from issuer.migrate.steps.roles import role_steps
from issuer.migrate.steps.starter import NONE, starter_steps
from issuer.site import docs_page
from issuer.text import counted, first_of


def make_plan(inventory: Inventory, options: Options, more: Iterable[Note]) -> Plan:
    """Plan the migration of an inventory. Raises BadInput if there is nothing to migrate."""
    _check_namespace(inventory, options)
    if not (inventory.issuers or inventory.policies):
        raise BadInput(
            "nothing to migrate: no Issuer or ClusterIssuer of cert-manager.io, no StepIssuer or "
            "StepClusterIssuer of certmanager.step.sm, and no CertificateRequestPolicy of "
            f"policy.cert-manager.io, was {_looked(options)}"
        )
    issuers = carry_issuers(inventory, options)
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
    steps = evaluate_certificates(steps, inventory)
    more = tuple(more)
    # What couldn't be read may name an issuer.
    whole = options.from_cluster and not more
    moved = _moved(issuers, steps) if whole else ()
    notes = _notes(inventory, issuers, policies, steps, moved)
    return Plan(steps, (*more, *_moved_notes(moved, options), *notes))


def plan_of(documents: Iterable[Document], options: Options, more: Iterable[Note] = ()) -> Plan:
    """Plan the migration of documents; `more` are notes about how they were read. Raises BadInput."""
    return make_plan(sort(documents, options.namespace), options, more)


def _notes(
    inventory: Inventory,
    issuers: Issuers,
    policies: Policies,
    steps: tuple[PlanStep, ...],
    moved: Sequence[Ref],
) -> Iterator[Note]:
    unbound = [
        name for name in policies.manifests if not bound_groups([*inventory.roles, *inventory.bindings], name)
    ]
    if unbound:
        names = first_of([f'"{name}"' for name in sorted(unbound)])
        yield todo(
            f"no role and binding that grant use of {names} were read: give them too, "
            "or add vault-issuer.io to their apiGroups; until then these policies apply to nobody"
        )
    certificates = [
        step
        for step in steps
        if step.action is Action.CHANGE and (step.manifest or {}).get("kind") in _REISSUED
    ]
    if certificates:
        yield info(
            f"cert-manager reissues what names another issuer ({counted(len(certificates), 'object')} here); "
            "each Secret keeps its old certificate until the new one is there"
        )
    elif issuers.carried and not moved:
        yield info(
            "no Certificates or Ingresses that use these issuers were read; their issuerRef must change"
        )
    if issuers.carried:
        yield info(
            "issuer names in Pods (csi-driver volumes), in Helm values and in the settings of other programs "
            "(istio-csr) are not seen here"
        )
    yield from servers_note((one.ref, one.server) for one in issuers.carried.values())
    if any(step.old.startswith(NONE) for step in steps):
        yield info(
            "others who make CertificateRequests themselves (csi-driver, istio-csr, people) need the use "
            "binding of a starter too; --from-cluster finds those who did"
        )
    if inventory.others:
        kinds = ", ".join(f"{kind} ({count})" for kind, count in sorted(inventory.others.items())[:8])
        yield info(f"left as they are, as a migration does not concern them: {kinds}")


def _moved(issuers: Issuers, steps: Iterable[PlanStep]) -> tuple[Ref, ...]:
    """Return the issuers whose successors exist and that nothing names any more."""
    steps = tuple(steps)
    there = {step.old for step in steps if step.action is Action.KEEP}

    def named(ref: Ref) -> bool:
        return any(step.old.endswith((f"-> {ref.old}", f"signer of {ref.old}")) for step in steps)

    return tuple(ref for ref in issuers.carried if ref.old in there and not named(ref))


def _moved_notes(moved: Sequence[Ref], options: Options) -> Iterator[Note]:
    limit = options.namespace
    done = [ref.quoted for ref in moved if ref.namespace or limit is None]
    if done:
        yield info(
            f"nothing here names {first_of(done)} any more; once all works, delete it (step 5 of "
            f"{docs_page('migrate')})"
        )
    unsure = [ref.quoted for ref in moved if not ref.namespace and limit is not None]
    if unsure:
        yield info(
            f'nothing in namespace "{limit}" names {first_of(unsure)} any more; run this without '
            "--namespace before you delete it"
        )


def _check_namespace(inventory: Inventory, options: Options) -> None:
    known = inventory.namespaces  # none where they couldn't be listed
    if options.from_cluster and options.namespace and known and options.namespace not in known:
        raise BadInput(f'there is no namespace "{options.namespace}" in the cluster; check --namespace')


def _looked(options: Options) -> str:
    if not options.from_cluster:
        return "given"
    if options.namespace is None:
        return "found in the cluster"
    return f"found in namespace {options.namespace}, or among what is cluster-scoped"


_REISSUED = ("Certificate", "Ingress", "Gateway", "ListenerSet", "XListenerSet")
