"""Waits until the API server's authorizer knows what was granted or taken away a moment ago.

Roles and bindings reach it by a watch: a controller that starts at once may still have a right that was taken
away.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from testbed.cluster import SYSTEM_NAMESPACE, Testbed
from testbed.controller import SERVICE_ACCOUNT
from testbed.kube import Object
from testbed.processes import PATIENCE

REVIEW = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


@dataclass(frozen=True, slots=True)
class Access:
    """What a SubjectAccessReview asks about; `resource` may have a subresource, as in RBAC rules.

    An empty `namespace` asks for all of them, an empty `name` for every object.
    """

    verb: str
    group: str
    resource: str
    name: str = ""
    namespace: str = ""


def accesses(rule: Object, namespace: str = "") -> Iterator[Access]:
    """Everything that a rule of a ClusterRole, or of a Role in that namespace, allows."""
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for name in rule.get("resourceNames", [""]):
                for verb in rule["verbs"]:
                    yield Access(verb, group, resource, name, namespace)


def covers(rule: Object, namespace: str, access: Access) -> bool:
    """Return True if a rule of that namespace's Role (of a ClusterRole if empty) allows it."""
    return (
        access.verb in rule["verbs"]
        and access.group in rule["apiGroups"]
        and access.resource in rule["resources"]
        and namespace in ("", access.namespace)
        and ("resourceNames" not in rule or access.name in rule["resourceNames"])
    )


def wait_authorized(
    bed: Testbed, *, allowed: Iterable[Access] = (), refused: Iterable[Access] = (), seconds: float = PATIENCE
) -> None:
    """Wait until our controller's ServiceAccount may do all that is `allowed` and nothing that is `refused`.

    Raises:
        AssertionError: the authorizer still says otherwise; the text names what.
    """
    wanted = {**dict.fromkeys(allowed, True), **dict.fromkeys(refused, False)}
    deadline = time.monotonic() + seconds
    while wanted:
        wanted = {access: answer for access, answer in wanted.items() if may(bed, access) is not answer}
        if wanted:
            assert time.monotonic() < deadline, f"the authorizer says the opposite of {wanted}"
            time.sleep(0.05)


def may(bed: Testbed, access: Access) -> bool:
    """Return True if the API server lets our controller's ServiceAccount do it now."""
    resource, _, subresource = access.resource.partition("/")
    spec = {
        "user": f"system:serviceaccount:{SYSTEM_NAMESPACE}:{SERVICE_ACCOUNT}",
        "groups": [
            "system:serviceaccounts",
            f"system:serviceaccounts:{SYSTEM_NAMESPACE}",
            "system:authenticated",
        ],
        "resourceAttributes": {
            "verb": access.verb,
            "group": access.group,
            "resource": resource,
            "subresource": subresource,
            "name": access.name,
            "namespace": access.namespace,
        },
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    return bool(bed.kube.http.call("POST", REVIEW, review)["status"]["allowed"])
