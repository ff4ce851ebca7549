"""Starter policy of an issuer that had none, as open as cert-manager's own approver was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_args

from issuer.api.group import API_VERSION, GROUP, POLICY_KIND, POLICY_PLURAL
from issuer.api.model import SpecError
from issuer.api.policy import Usage
from issuer.kube.identity import User
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.manifests.rbac import RBAC_GROUP
from issuer.migrate.options import Options, Starter
from issuer.migrate.origins import referred
from issuer.migrate.plan import Action, Note, PlanStep, info, todo
from issuer.migrate.read.inventory import Inventory, Ref, inner, text, texts
from issuer.migrate.steps.access import bounded, issuer_of, new_step, role_and_binding
from issuer.migrate.steps.issuers.carried import Carried, Issuers
from issuer.migrate.steps.policies import Policies
from issuer.policy.compiled import CompiledPolicy, PolicyInvalid, compile_policy
from issuer.policy.selection import selects

NONE: Final = "no policy"
HEADER: Final = (
    "A starter: it allows whatever the CA allows (in Vault: the role), for this issuer alone, as before (CA",
    "certificates apart). To tighten it, replace each * by what your people need, and take out the fields",
    "and usages that nobody needs: what a policy does not name is denied. `policy explain` shows it.",
)

_SUBJECT: Final = (
    "organizations",
    "countries",
    "organizationalUnits",
    "localities",
    "provinces",
    "streetAddresses",
    "postalCodes",
)
# What `literalSubject` and `otherNames` of Certificates mostly hold.
_ATTRIBUTES: Final = (
    "0.9.2342.19200300.100.1.1",  # UID
    "0.9.2342.19200300.100.1.25",  # DC
    "1.2.840.113549.1.9.1",  # emailAddress
    "2.5.4.4",  # SN
    "2.5.4.12",  # title
    "2.5.4.42",  # givenName
)
_OTHER_NAMES: Final = ("1.3.6.1.4.1.311.20.2.3",)  # UPN


def starter_steps(
    inventory: Inventory, issuers: Issuers, policies: Policies, options: Options
) -> tuple[PlanStep, ...]:
    """Return a starter for each issuer that no policy selects, with its `use` binding."""
    ours = [*_compiled(policies.manifests.items()), *_existing(inventory.our_policies)]
    steps: list[PlanStep] = []
    for one in issuers.carried.values():
        if any(selects(policy, one.ref.new_reference) for policy in ours) or _was_refused(one, policies):
            continue
        steps += _steps_for(one, inventory, options)
    return tuple(steps)


def _steps_for(one: Carried, inventory: Inventory, options: Options) -> Iterator[PlanStep]:
    closed = options.starter is Starter.AUTO and bool(inventory.policies)
    if closed or options.starter is Starter.NEVER:
        why = "approver-policy has policies, but none for this issuer" if closed else "--starter never"
        note = todo(
            f"no policy selects {one.ref.new}, and none is written ({why}): its requests wait until one "
            "does; --starter always writes an open one"
        )
        yield PlanStep(Action.LEAVE, one.ref.new, "", (note,), source=one.source)
        return
    manifest = starter_policy(one.ref, _oids(inventory.certificates, one.ref))
    name = manifest["metadata"]["name"]
    compile_policy(name, manifest["spec"])
    subjects = list(_subjects(inventory.requests, one.ref, options))
    # Of other groups cert-manager approves those alone that somebody has given it the right for.
    before = "cert-manager approved all" if one.vault else "none was read that bounds"
    said = f"{NONE}: {before} requests for {one.ref.old}"
    new = f"{POLICY_KIND}.{GROUP} {name}"
    yield PlanStep(Action.CREATE, said, new, tuple(_notes(one, subjects)), manifest, source=one.source)
    rules = [{"apiGroups": [GROUP], "resources": [POLICY_PLURAL], "resourceNames": [name], "verbs": ["use"]}]
    kind = "Role" if one.ref.namespace else "ClusterRole"
    for made in role_and_binding(
        kind, bounded(f"vault-issuer:use:{name}"), one.ref.namespace, rules, subjects
    ):
        yield new_step(inventory, made)


def starter_policy(ref: Ref, other_names: Sequence[str] = ()) -> Object:
    """Return a policy that allows everything but CA certificates, from this issuer alone."""
    some = {"values": ["*"]}
    allowed: Object = {
        "commonName": {"value": "*"},
        **{field: dict(some) for field in ("dnsNames", "ipAddresses", "uris", "emailAddresses")},
        "usages": list(get_args(Usage)),
        "subject": {
            **{field: dict(some) for field in _SUBJECT},
            "serialNumber": {"value": "*"},
            "otherAttributes": [{"oid": oid, **some} for oid in _ATTRIBUTES],
        },
        "otherNames": [{"oid": oid, **some} for oid in dict.fromkeys((*_OTHER_NAMES, *other_names))],
    }
    selector: Object = {"issuerRef": dict(issuer_of(ref))}
    if ref.namespace:
        selector["namespace"] = {"matchNames": [ref.namespace]}
    # A namespace has no dot, so no two issuers share a name here.
    prefix = "starter" if ref.kind != ref.new_kind else "starter-step"
    name = f"{prefix}.{ref.namespace}.{ref.name}" if ref.namespace else f"{prefix}-cluster.{ref.name}"
    return {
        "apiVersion": API_VERSION,
        "kind": POLICY_KIND,
        "metadata": {"name": bounded(name)},
        "spec": {"selector": selector, "allowed": allowed},
    }


def _notes(one: Carried, subjects: Sequence[Mapping[str, str]]) -> Iterator[Note]:
    users = ", ".join(_subject_text(subject) for subject in subjects)
    yield info(f"allows what {one.limits} allows, to be used by {users}; tighten it (comments say how)")
    if one.verbatim:
        yield todo(f"with {one.limits} this policy is the only guard: tighten it before you switch")


def _subjects(requests: Iterable[Document], ref: Ref, options: Options) -> Iterator[dict[str, str]]:
    """Yield cert-manager and all others that have made requests for the issuer, as subjects."""
    yield options.cert_manager.subject()
    seen = {options.cert_manager.username, ""}
    for request in requests:
        username = text(inner(request.data, "spec").get("username"))
        if username in seen or not _names(request, ref):
            continue
        seen.add(username)
        account = User(username).service_account
        if account:
            yield {"kind": "ServiceAccount", "namespace": account[0], "name": account[1]}
        else:
            yield {"apiGroup": RBAC_GROUP, "kind": "User", "name": username}


def _oids(certificates: Iterable[Document], ref: Ref) -> list[str]:
    found: list[str] = []
    for document in certificates:
        others = inner(document.data, "spec").get("otherNames")
        if _names(document, ref) and isinstance(others, list):
            found += texts([one.get("oid") for one in others if isinstance(one, dict)])
    return found


def _names(document: Document, ref: Ref) -> bool:
    """Return True if a Certificate or CertificateRequest names this issuer."""
    found = inner(document.data, "spec", "issuerRef")
    return (
        found.get("name") == ref.name
        and referred(found.get("kind"), found.get("group")) == ref.kind
        and ref.namespace in ("", document.metadata.get("namespace"))
    )


def _was_refused(one: Carried, policies: Policies) -> bool:
    """Return True if a refused policy was about the issuer: then nothing opens in its place."""
    return any(
        policy is None or selects(policy, one.ref.old_reference) for policy in policies.refused.values()
    )


def _compiled(specs: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[CompiledPolicy]:
    for name, manifest in specs:
        yield compile_policy(name, manifest["spec"])


def _existing(documents: Iterable[Document]) -> Iterator[CompiledPolicy]:
    for document in documents:
        try:
            yield compile_policy(document.name, inner(document.data, "spec"))
        except (PolicyInvalid, SpecError):
            continue


def _subject_text(subject: Mapping[str, str]) -> str:
    return f"{subject['namespace']}/{subject['name']}" if "namespace" in subject else subject["name"]
