"""API resources: group, version and plural, turned into URL paths; and those of Kubernetes itself.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from issuer.kube.errors import Invalid

_MAX_SEGMENT: Final = 253  # the longest object name Kubernetes has (a DNS subdomain)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object at the API server. `group` is empty for the core group."""

    group: str
    version: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """The `apiVersion` of this resource's objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(
        self, namespace: str | None = None, name: str | None = None, subresource: str | None = None
    ) -> str:
        """Return the URL path of the collection, of one object, or of its subresource; escaped.

        Names often come from what users wrote, so one that would change the path (empty, `..`, with a slash)
        raises `Invalid`, as does an object of a namespaced resource without a namespace.
        """
        parts = [f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"]
        if namespace is not None:
            if not self.namespaced:
                raise Invalid(f"{self.plural} are cluster-scoped, but a namespace was given")
            parts += ["namespaces", _segment(namespace, "namespace")]
        elif self.namespaced and name is not None:
            raise Invalid(f"{self.plural}/{name} needs a namespace")
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name, f"name of one of the {self.plural}"))
            if subresource is not None:
                parts.append(subresource)
        return "/".join(parts)


def _segment(value: str, what: str) -> str:
    bad = value in ("", ".", "..") or "/" in value or "%" in value or len(value) > _MAX_SEGMENT
    if bad or not value.isprintable():
        raise Invalid(f"{value!r} can't be the {what}: use a Kubernetes name")
    return quote(value, safe="")


SECRETS: Final = Resource("", "v1", "secrets", namespaced=True)
SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", namespaced=True)
PODS: Final = Resource("", "v1", "pods", namespaced=True)
LEASES: Final = Resource("coordination.k8s.io", "v1", "leases", namespaced=True)
EVENTS: Final = Resource("events.k8s.io", "v1", "events", namespaced=True)
# Questions to the API server: created to be answered, never stored.
SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False
)
SELF_SUBJECT_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "selfsubjectreviews", namespaced=False)
TOKEN_REVIEWS: Final = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False)
NAMESPACES: Final = Resource("", "v1", "namespaces", namespaced=False)
ROLES: Final = Resource("rbac.authorization.k8s.io", "v1", "roles", namespaced=True)
ROLE_BINDINGS: Final = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", namespaced=True)
CLUSTER_ROLES: Final = Resource("rbac.authorization.k8s.io", "v1", "clusterroles", namespaced=False)
CLUSTER_ROLE_BINDINGS: Final = Resource(
    "rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False
)
CUSTOM_RESOURCE_DEFINITIONS: Final = Resource(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
)
