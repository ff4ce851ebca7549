"""Steps for RBAC on approver-policy's policies and cert-manager's signers: each right gets its like."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from issuer.api.group import GROUP, POLICY_PLURAL
from issuer.explain.policies import PEER_GROUP
from issuer.kube.wire import Object
from issuer.manifests.documents import Document
from issuer.migrate.origins import CERT_MANAGER_GROUP, ORIGINS
from issuer.migrate.plan import Action, Note, PlanStep, info, todo
from issuer.migrate.read.inventory import Inventory, Ref, namespace_of, text, texts, title
from issuer.migrate.steps.issuers.carried import Issuers
from issuer.migrate.steps.metadata import cleaned, managers
from issuer.migrate.steps.policies import Policies

_CSR_GROUP: Final = "certificates.k8s.io"
_DOMAINS: Final = {one.signer_domain: one for one in ORIGINS.values()}


def role_steps(inventory: Inventory, issuers: Issuers, policies: Policies) -> Iterator[PlanStep]:
    """Yield Roles and ClusterRoles with the rules that they lack. Their bindings stay as they are."""
    names = {*policies.manifests, *policies.refused}
    for role in inventory.roles:
        rules = role.data.get("rules")
        rules = [rule for rule in rules if isinstance(rule, dict)] if isinstance(rules, list) else []
        added: list[Object] = []
        notes: list[Note] = []
        for rule in rules:
            for new, note in _answers(role, rule, names, issuers):
                notes.append(note)
                if new is not None and new not in rules and new not in added:
                    added.append(new)
        if added:
            yield _changed(role, rules, added, notes)
        elif notes:
            yield PlanStep(Action.LEAVE, title(role), "", tuple(notes), source=role.source)


def _changed(role: Document, rules: list[Object], added: list[Object], notes: list[Note]) -> PlanStep:
    before = cleaned(role)
    found = [*notes, *managers(role)]
    if role.data.get("aggregationRule"):
        found.append(
            todo("it is put together by aggregationRule: add the rule to a role it takes in instead")
        )
        return PlanStep(Action.LEAVE, title(role), "", tuple(found), source=role.source)
    version = text(role.metadata.get("resourceVersion"))
    manifest = {**before, "rules": [*rules, *added]}
    new = "; ".join(f"+ {_rule_text(rule)}" for rule in added)
    return PlanStep(Action.CHANGE, title(role), new, tuple(found), manifest, before, role.source, version)


def _answers(
    role: Document, rule: Mapping[str, Any], policies: Collection[str], issuers: Issuers
) -> Iterator[tuple[Object | None, Note]]:
    groups, verbs = texts(rule.get("apiGroups")), texts(rule.get("verbs"))
    names = texts(rule.get("resourceNames"))
    if (
        _grants(rule, PEER_GROUP, POLICY_PLURAL, "use")
        and policies
        and (not names or set(names) & set(policies))
    ):
        yield _use(groups, verbs, names)
    if not issuers.carried:
        return
    if _names_signers(rule, CERT_MANAGER_GROUP) and "approve" in verbs and _mapped(names, issuers):
        yield (
            None,
            info(
                "approve of these signers: not given for ours, as with spec.approval Policy "
                "vault-issuer decides on its own"
            ),
        )
    if _names_signers(rule, CERT_MANAGER_GROUP) and "reference" in verbs:
        yield from _referencing(role, names, issuers)
    if _names_signers(rule, _CSR_GROUP):
        yield from _signing(rule, verbs, _mapped(names, issuers))


def _use(groups: list[str], verbs: list[str], names: list[str]) -> tuple[Object | None, Note]:
    if "*" in groups or GROUP in groups:
        return None, info(f"grants use of policies in {GROUP} too")
    rule: Object = {"apiGroups": [GROUP], "resources": [POLICY_PLURAL], "verbs": verbs}
    if names:
        rule["resourceNames"] = names
    return rule, info("its bindings stay as they are, and give both")


def _referencing(role: Document, names: list[str], issuers: Issuers) -> Iterator[tuple[Object | None, Note]]:
    """Yield the rule that lets those who may name an Issuer's signer in a CSR name ours."""
    namespace = namespace_of(role)
    if any(
        ref.namespace
        and (not names or "*" in names or ref.name in names)
        and namespace in ("", ref.namespace)
        for ref in issuers.carried
    ):
        rule: Object = {"apiGroups": [GROUP], "resources": ["signers"], "verbs": ["reference"]}
        yield rule | ({"resourceNames": names} if names else {}), info("the same for our signers")


def _signing(
    rule: Mapping[str, Any], verbs: list[str], names: list[str]
) -> Iterator[tuple[Object | None, Note]]:
    """Yield the rule by which approvers of CSRs go on; the controller signs by its own role."""
    if not names:
        return
    others = [verb for verb in verbs if verb != "sign"]
    if not others:
        yield None, info("sign on cert-manager's signers: stays; ours is in the controller's own RBAC")
        return
    new = {
        **rule,
        "apiGroups": [_CSR_GROUP],
        "resources": ["signers"],
        "verbs": others,
        "resourceNames": names,
    }
    yield new, info("Kubernetes CertificateSigningRequests: the same for our signers")


def _mapped(names: list[str], issuers: Issuers) -> list[str]:
    """Return our signers for these: by wildcard, or of carried issuers."""
    found = []
    for name in names:
        plural, slash, signer = name.partition("/")
        if slash and plural in _DOMAINS and (signer == "*" or signer_of(name) in issuers.carried):
            found.append(f"{_DOMAINS[plural].new_signer_domain}/{signer}")
    return found


def _grants(rule: Mapping[str, Any], group: str, resource: str, verb: str) -> bool:
    return all(
        wanted in found or "*" in found
        for wanted, found in (
            (group, texts(rule.get("apiGroups"))),
            (resource, texts(rule.get("resources"))),
            (verb, texts(rule.get("verbs"))),
        )
    )


def _names_signers(rule: Mapping[str, Any], group: str) -> bool:
    return "signers" in texts(rule.get("resources")) and group in texts(rule.get("apiGroups"))


def _rule_text(rule: Mapping[str, Any]) -> str:
    names = f" {', '.join(rule['resourceNames'])}" if rule.get("resourceNames") else ""
    return f"{', '.join(rule['verbs'])} {', '.join(rule['resources'])}.{rule['apiGroups'][0]}{names}"


def signer_of(name: str) -> Ref | None:
    """Return the issuer that a signerName means, if any."""
    domain, slash, rest = name.partition("/")
    origin = _DOMAINS.get(domain)
    if not slash or origin is None:
        return None
    if not origin.resource.namespaced:
        return Ref(origin.kind, "", rest)
    namespace, _, issuer = rest.partition(".")
    return Ref(origin.kind, namespace, issuer)
