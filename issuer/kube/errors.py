"""Failures of a call to the API server, as types: its own refusals, and those of the way to it.

Translated once, in `issuer.kube.client`, from HTTP status and the `Status` object
(https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/). Messages are bounded and
made of printable characters; they never hold a request's body, a header or a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from issuer.text import one_line

MAX_MESSAGE: Final = 512
"""Characters of a server's message that are kept: enough for a sentence, too few for a body."""


class KubeError(Exception):
    """A call to the API server that gave no usable answer.

    `status` is the HTTP status (None when there was no answer), `reason` the `Status.reason` (CamelCase, may
    be empty), `message` bounded text, `retry_after` the seconds the server asked to wait (None when it
    didn't).
    """

    def __init__(
        self, message: str, *, status: int | None = None, reason: str = "", retry_after: float | None = None
    ) -> None:
        self.message = one_line(message, MAX_MESSAGE)
        self.status = status
        self.reason = one_line(reason, 64)
        self.retry_after = retry_after
        super().__init__(self.message)


class BadRequest(KubeError):
    """400: the server does not understand this request, for example a field selector it has no field for."""


class Unauthorized(KubeError):
    """401: the credentials are missing, expired or unknown; they have been loaded anew once already."""


class Forbidden(KubeError):
    """403: known, but not allowed; the message names the verb and the resource that RBAC lacks."""


class NamespaceTerminating(Forbidden):
    """403: the namespace is being deleted, and nothing new can be made in it."""


class QuotaExceeded(Forbidden):
    """403: a ResourceQuota of the namespace has no room; whoever works there may have used it up."""


class NotFound(KubeError):
    """404: the object, or the whole resource (its CRD), is not there."""


class Conflict(KubeError):
    """409: the object changed since it was read. Read it again and decide again."""


class AlreadyExists(KubeError):
    """409 on create: an object of this name is there."""


class Expired(KubeError):
    """410, or a resourceVersion this server can't serve: list again."""


class Invalid(KubeError):
    """422, or a name that can't be part of a path: the content is refused, and would be again."""


class ObjectTooLarge(KubeError):
    """413, or 500 with etcd's words: the body, or the object as it would be stored, is over a limit.

    Seen of kube-apiserver 1.32 with etcd 3.5: 413 for a body over 3 MiB; 500 "etcdserver: request is too
    large" for an object over etcd's `--max-request-bytes`, 1.5 MiB by default; and 500 "trying to send
    message larger than max" where it is over 2 MiB, the limit of the client of etcd.
    """


class TooManyRequests(KubeError):
    """429: too many requests; see `retry_after`."""


class Unavailable(KubeError):
    """5xx, no connection, TLS not trusted, or no answer in time: try later."""


class AdmissionFailed(Unavailable):
    """5xx of an admission webhook that refuses or can't be called; it may be asked of few objects."""


class AnswerTooLarge(KubeError):
    """The answer passed the bound of this client and was dropped."""


class ConfigError(KubeError):
    """The kubeconfig, the in-cluster files or the exec plugin can't be used; the message says why."""


_UNEXPLAINED: Final = {404: "the server has no such path; is the CRD installed?"}

_TOO_LARGE: Final = ("etcdserver: request is too large", "trying to send message larger than max")
_BY_WEBHOOK: Final = ("failed calling webhook", "admission webhook")
"""Parts of sentences of the API server (apiserver, admission/plugin/webhook/errors)."""
_BY_QUOTA: Final = " is forbidden: exceeded quota: "
"""Part of its sentence (apiserver, admission/plugin/resourcequota/controller.go): the Status has no code."""

_BY_STATUS: Final[dict[int, type[KubeError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    413: ObjectTooLarge,
    422: Invalid,
    429: TooManyRequests,
}


def from_status(
    code: int, body: Mapping[str, Any] | None, *, what: str, retry_after: float | None = None
) -> KubeError:
    """Return the error for HTTP status `code` and the server's `Status` object `body`, if it sent one.

    `what` names the call ("GET /api/v1/..."); it is put before the server's message.
    """
    status = body if isinstance(body, Mapping) and body.get("kind") == "Status" else {}
    reason = _text(status.get("reason"))
    message = _text(status.get("message")) or _UNEXPLAINED.get(code) or f"HTTP {code} without a reason"
    details = status.get("details")
    details = details if isinstance(details, Mapping) else {}
    if retry_after is None:
        seconds = details.get("retryAfterSeconds")
        retry_after = float(seconds) if isinstance(seconds, int) and seconds > 0 else None
    kind = _kind(code, reason, details, message)
    return kind(f"{what}: {message}", status=code, reason=reason, retry_after=retry_after)


def is_refusal(error: KubeError) -> bool:
    """Return True if rules of the server refuse what was sent: RBAC, admission or validation."""
    if isinstance(error, (Unauthorized, NotFound, Conflict, AlreadyExists, Expired, TooManyRequests)):
        return False
    return error.status is not None and 400 <= error.status < 500 and error.status != 408


def _kind(code: int, reason: str, details: Mapping[str, Any], message: str) -> type[KubeError]:
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExists
    if reason in ("Expired", "Gone") or _has_cause(details, "ResourceVersionTooLarge"):
        # "Too large resource version" (504): this server is behind what was read before, as after a restore.
        return Expired
    if code >= 500:
        return _fault(message)
    if code == 403 and _has_cause(details, "NamespaceTerminating"):
        return NamespaceTerminating
    if code == 403 and _BY_QUOTA in message:
        return QuotaExceeded
    return _BY_STATUS.get(code, KubeError)


def _fault(message: str) -> type[KubeError]:
    if any(words in message for words in _TOO_LARGE):
        return ObjectTooLarge
    return AdmissionFailed if any(words in message for words in _BY_WEBHOOK) else Unavailable


def _has_cause(details: Mapping[str, Any], reason: str) -> bool:
    causes = details.get("causes")
    return isinstance(causes, list) and any(
        isinstance(c, Mapping) and c.get("reason") == reason for c in causes
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
