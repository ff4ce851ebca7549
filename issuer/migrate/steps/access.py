"""Steps that give the controller what an issuer needs: Secrets, a ServiceAccount, the right to approve."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from issuer.api.vault import VaultSpec
from issuer.kube.wire import Object
from issuer.manifests.rbac import RBAC_GROUP
from issuer.migrate.options import Options
from issuer.migrate.plan import Action, Note, PlanStep, info, todo
from issuer.migrate.read.inventory import Inventory, Ref, is_plain, namespace_of, texts, title
from issuer.migrate.steps.issuers.carried import Carried
from issuer.signing.vault.needs import Needs
from issuer.vault.paths import auth_mount

_RBAC: Final = f"{RBAC_GROUP}/v1"
_LONGEST: Final = 200


def access_steps(carried: Carried, inventory: Inventory, options: Options) -> tuple[PlanStep, ...]:
    """Return steps for the Role and RoleBinding, of a cluster issuer also the ServiceAccount, to log in."""
    needs = carried.needs
    home = carried.ref.namespace or options.resource_namespace
    old = carried.home or options.old_resource_namespace
    moves = not carried.ref.namespace and options.resource_namespace != old
    steps: list[PlanStep] = []
    if needs.account and moves:
        steps += _account(needs.account.name, carried, inventory, options)
    notes = [*_login_notes(carried, home)]
    if moves:
        notes += _move_notes(carried, old, options)
    rules = [
        _rule("", resource, sorted(names), [verb])
        for resource, names, verb in (
            ("secrets", needs.secrets, "get"),
            ("serviceaccounts/token", [needs.account.name] if needs.account else [], "create"),
        )
        if names
    ]
    scope = "access" if carried.ref.namespace else "cluster-access"
    name = bounded(f"vault-issuer-{scope}-{carried.label}{carried.ref.name}")
    said = _rules_text(needs, home, options)
    if rules:
        for manifest in role_and_binding("Role", name, home, rules, [options.controller.subject()]):
            # Notes of what an earlier run made were read then.
            role_notes = tuple(notes) if manifest["kind"] == "Role" and not inventory.has(manifest) else ()
            what = said if manifest["kind"] == "Role" else ""
            steps.append(new_step(inventory, manifest, role_notes, what, carried.source))
    elif notes and not inventory.has(carried.manifest):
        ref = carried.ref
        steps.append(PlanStep(Action.TODO, ref.old, ref.new, tuple(notes), source=carried.source))
    return tuple(steps)


def approve_steps(carried: Iterable[Carried], inventory: Inventory, options: Options) -> tuple[PlanStep, ...]:
    """Return steps for the right to approve and deny requests of exactly these issuers."""
    steps: list[PlanStep] = []
    for one in carried:
        # A role for each: a later run for another issuer must not replace it.
        name = bounded(f"vault-issuer-approve:{one.ref.new_kind.lower()}:{one.ref.signer}")
        rules = [_rule("cert-manager.io", "signers", [one.ref.new_signer], ["approve"])]
        made = role_and_binding("ClusterRole", name, "", rules, [options.controller.subject()])
        steps += [new_step(inventory, manifest) for manifest in made]
    return tuple(steps)


def old_grants(carried: Iterable[Carried], inventory: Inventory, options: Options) -> Iterator[PlanStep]:
    """Yield steps that name the Roles by which cert-manager makes these issuers' tokens. They stay."""
    wanted = {
        (one.ref.namespace or options.old_resource_namespace, account.name)
        for one in carried
        if (account := one.needs.account)
    }
    for role in inventory.roles:
        rules = role.data.get("rules")
        for rule in rules if isinstance(rules, list) else ():
            grants = "serviceaccounts/token" in texts(rule.get("resources"))
            names = texts(rule.get("resourceNames"))
            if grants and any(
                namespace_of(role) in ("", namespace) and name in names for namespace, name in wanted
            ):
                note = info(
                    "lets cert-manager make tokens; stays for the way back, ours is a Role of its own"
                )
                yield PlanStep(Action.LEAVE, title(role), "", (note,), source=role.source)


def new_step(
    inventory: Inventory, manifest: Object, notes: tuple[Note, ...] = (), what: str = "", source: str = ""
) -> PlanStep:
    """Return a step that makes an object, or keeps the one of its name that was read."""
    metadata = manifest["metadata"]
    where = f"{metadata['namespace']}/{metadata['name']}" if "namespace" in metadata else metadata["name"]
    new = f"{manifest['kind']} {where}"
    there = inventory.has(manifest)
    if there is None:
        return PlanStep(Action.CREATE, what, new, notes, manifest, source=source)
    same = all(
        there.data.get(key) == manifest[key] for key in manifest if key not in ("metadata", "apiVersion")
    )
    more = (
        () if same else (todo("is there with another content and stays as it is; see that it grants this"),)
    )
    return PlanStep(Action.KEEP, what, new, (*notes, *more), source=source)


def role_and_binding(
    kind: str, name: str, namespace: str, rules: list[Object], subjects: list[dict[str, str]]
) -> tuple[Object, Object]:
    """Return a Role or ClusterRole and its binding of the same name."""
    metadata: Object = {"name": name} | ({"namespace": namespace} if kind == "Role" else {})
    role: Object = {"apiVersion": _RBAC, "kind": kind, "metadata": metadata, "rules": rules}
    bound: Object = {
        "apiVersion": _RBAC,
        "kind": f"{kind}Binding",
        "metadata": dict(metadata),
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": kind, "name": name},
        "subjects": subjects,
    }
    return role, bound


def bounded(name: str) -> str:
    """Return a name that fits an object; a long one ends in a digest."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[: _LONGEST - 17].rstrip('-.')}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _rule(group: str, resource: str, names: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": [resource], "resourceNames": names, "verbs": verbs}


def _account(name: str, carried: Carried, inventory: Inventory, options: Options) -> Iterator[PlanStep]:
    metadata = {"name": name, "namespace": options.resource_namespace}
    manifest: Object = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    if inventory.has(manifest) is None:
        old = f"ServiceAccount {options.old_resource_namespace}/{name}"
        yield new_step(inventory, manifest, what=old)


def _login_notes(carried: Carried, home: str) -> Iterator[Note]:
    vault, ref, needs = carried.vault, carried.ref, carried.needs
    method = vault.auth.chosen()[0] if vault else ""
    if method == "kubernetes" and needs.account:
        own = f"vault://{ref.namespace}/{ref.name}" if ref.namespace else f"vault://{ref.name}"
        yield info(
            f'logs in with tokens of "{home}/{needs.account.name}"; their audiences stay what they were '
            f"({own} and the server's address), so Vault's role needs no other audience"
        )
    if method == "aws" and not needs.account:
        yield todo(
            "spec.vault.auth.aws takes the AWS identity of the pod: give vault-issuer's the one that "
            "cert-manager's has, and the same --issuer-ambient-credentials"
        )


def _move_notes(carried: Carried, old: str, options: Options) -> Iterator[Note]:
    new, needs, vault = options.resource_namespace, carried.needs, carried.vault
    for name, keys in needs.secrets.items():
        yield todo(
            f'copy the Secret "{old}/{name}" to namespace "{new}", and what keeps it up to date (or start '
            f"the controller with --cluster-resource-namespace={old} and give that here too)"
            f"{_copy(name, keys, old, new)}"
        )
    if needs.account is None or vault is None:
        return
    name = needs.account.name
    if vault.auth.chosen()[0] == "aws":
        yield todo(f"AWS: let system:serviceaccount:{new}:{name} assume the role too (its trust policy)")
    elif vault.auth.kubernetes:
        role, mount = vault.auth.kubernetes.role, vault.auth.kubernetes.mount
        yield todo(
            f'Vault: add "{new}" to bound_service_account_namespaces of the role "{role}" at {mount} '
            f"(keep {old} for the way back){_bind(vault, mount, role, new)}"
        )


def _bind(vault: VaultSpec, mount: str, role: str, new: str) -> str:
    """Return the command that extends a role's list; Vault takes only whole lists."""
    path = f"auth/{auth_mount(mount)}/role/{role}"
    namespace = (vault.namespace or "").strip("/")
    if not is_plain(*path.split("/"), new, *(namespace.split("/") if namespace else ())):
        return ""
    where = f"-namespace={namespace} " if namespace else ""
    field = "bound_service_account_namespaces"
    more = f'[.data.{field}[], "{new}"] | unique | join(",")'
    return f": vault write {where}{path} {field}=$(vault read {where}-format=json {path} | jq -r '{more}')"


def _copy(name: str, keys: Iterable[str], old: str, new: str) -> str:
    def one(key: str) -> str:
        template = '{{index .data "' + key + '" | base64decode}}'
        return f"--from-file={key}=<(kubectl get secret {name} -n {old} -o go-template='{template}')"

    # People paste this into a shell: not with names that no Secret can have.
    if not is_plain(name, old, new, *keys):
        return ""
    return f": kubectl create secret generic {name} -n {new} {' '.join(map(one, keys))}"


def _rules_text(needs: Needs, home: str, options: Options) -> str:
    parts = []
    if needs.secrets:
        parts.append("get Secrets " + ", ".join(f'"{name}"' for name in sorted(needs.secrets)))
    if needs.account:
        parts.append(f'make tokens for "{needs.account.name}"')
    account = f"{options.controller.namespace}/{options.controller.name}"
    return f'"{account}" may {" and ".join(parts)} in namespace "{home}"'


def issuer_of(ref: Ref) -> Mapping[str, str]:
    """Return the issuerRef of an issuer's successor."""
    new = ref.new_reference
    return {"group": new.group, "kind": new.kind, "name": new.name}
