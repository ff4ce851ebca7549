"""The finalizer that keeps a request until its certificate is looked after, and the Secret it belongs to."""

from __future__ import annotations

from typing import Final

from issuer.api.group import GROUP
from issuer.kube.wire import Object
from issuer.requests.issuers import MAX_NAME
from issuer.requests.request import Request

FINALIZER: Final = f"{GROUP}/revocation"
SECRET_ANNOTATION: Final = f"{GROUP}/revocation-secret"
"""Name of the Secret of the request's Certificate, as it was before signing; absent without a Certificate."""

CERTIFICATE_ANNOTATION: Final = "cert-manager.io/certificate-name"
REVISION_ANNOTATION: Final = "cert-manager.io/certificate-revision"
"""Annotations that cert-manager puts on the requests of a Certificate (pkg/apis/certmanager/v1/types.go)."""


def annotation(obj: Object, name: str) -> str:
    """The name or number in an annotation; empty when it isn't there, or too long to be either."""
    value = str((obj["metadata"].get("annotations") or {}).get(name) or "")
    return value if len(value) <= MAX_NAME else ""


def has_finalizer(obj: Object) -> bool:
    """Return True if our finalizer is on the object."""
    return FINALIZER in (obj["metadata"].get("finalizers") or ())


def with_finalizer(request: Request, secret: str) -> Object:
    """The object with our finalizer, and the name of the Secret where there is one."""
    meta = request.object["metadata"]
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != SECRET_ANNOTATION}
    if secret:
        annotations[SECRET_ANNOTATION] = secret
    others = (one for one in meta.get("finalizers") or () if one != FINALIZER)
    finalizers = [*others, FINALIZER]
    return {**request.object, "metadata": {**meta, "annotations": annotations, "finalizers": finalizers}}


def without_finalizer(obj: Object) -> Object:
    """The object without our finalizer."""
    meta = obj["metadata"]
    left = [one for one in meta.get("finalizers") or () if one != FINALIZER]
    return {**obj, "metadata": {**meta, "finalizers": left}}
