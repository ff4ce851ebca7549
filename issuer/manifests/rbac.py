"""Bindings of `use`: the YAML that grants one, and those that files grant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Final

from issuer.api.group import GROUP, POLICY_PLURAL
from issuer.kube.identity import User
from issuer.manifests.documents import Document

RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_RBAC_VERSION: Final = f"{RBAC_GROUP}/v1"
_ROLES: Final = frozenset({"ClusterRole", "Role"})
_BINDINGS: Final = frozenset({"ClusterRoleBinding", "RoleBinding"})
_MAX_SLUG: Final = 100


def binding(policy: str, namespace: str, requester: User) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return a ClusterRole that lets `policy` be used, and the binding that gives it to `requester`.

    In a namespace that is a RoleBinding; where `namespace` is empty only a ClusterRoleBinding counts.

    The binding's name holds the requester's, so that applying it never replaces somebody else's subjects.
    """
    role_name = f"vault-issuer:use:{policy}"
    role: Mapping[str, Any] = {
        "apiVersion": _RBAC_VERSION,
        "kind": "ClusterRole",
        "metadata": {"name": role_name},
        "rules": [
            {
                "apiGroups": [GROUP],
                "resources": [POLICY_PLURAL],
                "verbs": ["use"],
                "resourceNames": [policy],
            }
        ],
    }
    where = {"namespace": namespace} if namespace else {}
    bound: Mapping[str, Any] = {
        "apiVersion": _RBAC_VERSION,
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": f"{role_name}:{_slug(requester)}"} | where,
        "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role_name},
        "subjects": [_subject(requester)],
    }
    return role, bound


def bound_groups(documents: Iterable[Document], policy: str) -> frozenset[str]:
    """Return the API groups in which these files grant somebody `use` of a policy, by rule and binding."""
    documents = list(documents)
    referred = {_reference(document) for document in documents if _is(document, _BINDINGS)}
    return frozenset(
        group
        for document in documents
        if _is(document, _ROLES) and (document.kind, document.name) in referred
        for group in _granted(document, policy)
    )


def grants_use(
    documents: Iterable[Document], policy: str, groups: Set[str], namespace: str, user: User
) -> bool:
    """Return True if these files let `user` use a policy for requests in `namespace`, empty for none.

    `groups` are the API groups in which a rule may name policies. A role counts only if it is in these files,
    as does its binding; one without a namespace is taken to be applied where it is needed.
    """
    documents = list(documents)
    granting = {
        (document.kind, document.name)
        for document in documents
        if _is(document, _ROLES) and groups & {*_granted(document, policy)}
    }
    return any(
        _reference(document) in granting and _reaches(document, namespace) and _is_subject(document, user)
        for document in documents
        if _is(document, _BINDINGS)
    )


def users_of(documents: Iterable[Document], policy: str) -> list[tuple[str, str]]:
    """Return who these roles and bindings let use a policy of this product, each with where: `(who, where)`.

    `where` is a namespace, "" for all of them.
    """
    documents = list(documents)
    granting = {
        (
            document.kind,
            document.name,
            document.metadata.get("namespace") if document.kind == "Role" else None,
        )
        for document in documents
        if _is(document, _ROLES) and {GROUP, "*"} & {*_granted(document, policy)}
    }
    found = []
    for document in documents:
        kind, name = _reference(document)
        where = document.metadata.get("namespace") or ""
        if _is(document, _BINDINGS) and (kind, name, where if kind == "Role" else None) in granting:
            found += [(_who(one), where) for one in document.data["subjects"] if isinstance(one, dict)]
    return sorted(set(found))


def _who(subject: Mapping[str, Any]) -> str:
    name = (
        f"{subject['namespace']}/{subject.get('name')}" if subject.get("namespace") else subject.get("name")
    )
    return f'{subject.get("kind")} "{name}"'


def _reaches(binding: Document, namespace: str) -> bool:
    if binding.kind == "ClusterRoleBinding":
        return True
    return bool(namespace) and binding.metadata.get("namespace") in (None, "", namespace)


def _is_subject(binding: Document, user: User) -> bool:
    return any(_names(one, user) for one in binding.data["subjects"] if isinstance(one, dict))


def _names(subject: Mapping[str, Any], user: User) -> bool:
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        return user.service_account == (subject.get("namespace"), name)
    return (kind == "User" and bool(name) and name == user.name) or (kind == "Group" and name in user.groups)


def _is(document: Document, kinds: frozenset[str]) -> bool:
    return document.group == RBAC_GROUP and document.kind in kinds


def _reference(document: Document) -> tuple[str, str]:
    reference = document.data.get("roleRef")
    subjects = document.data.get("subjects")
    if not isinstance(reference, dict) or not subjects:
        return "", ""
    return str(reference.get("kind")), str(reference.get("name"))


def _granted(role: Document, policy: str) -> Iterator[str]:
    rules = role.data.get("rules")
    for rule in rules if isinstance(rules, list) else ():
        if not isinstance(rule, dict):
            continue
        names = _texts(rule, "resourceNames")
        grants = _covers(rule, "verbs", "use") and _covers(rule, "resources", POLICY_PLURAL)
        if grants and (not names or policy in names):
            yield from _texts(rule, "apiGroups")


def _covers(rule: Mapping[str, Any], key: str, wanted: str) -> bool:
    found = _texts(rule, key)
    return wanted in found or "*" in found


def _texts(rule: Mapping[str, Any], key: str) -> list[str]:
    found = rule.get(key)
    return [str(one) for one in found] if isinstance(found, list) else []


def _subject(requester: User) -> Mapping[str, str]:
    account = requester.service_account
    if account:
        return {"kind": "ServiceAccount", "namespace": account[0], "name": account[1]}
    return {"apiGroup": RBAC_GROUP, "kind": "User", "name": requester.name or "REQUESTER"}


def _slug(requester: User) -> str:
    account = requester.service_account
    text = ".".join(account) if account else requester.name or "requester"
    return re.sub(r"[^a-z0-9.-]+", "-", text.lower())[:_MAX_SLUG]
