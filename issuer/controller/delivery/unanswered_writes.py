"""Status writes of which no answer says what came of them: they may have arrived, or arrive yet.

A write names the resourceVersion that it was made from, so it can arrive only while the object has that one.
Source: Kubernetes API conventions, "Concurrency Control and Consistency". Pure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from issuer.kube.errors import KubeError
from issuer.requests.request import Request, RequestKey


@dataclass(slots=True, eq=False)
class UnansweredWrites:
    """The resourceVersions from which unanswered writes to requests were made."""

    _of: dict[RequestKey, set[str]] = field(default_factory=dict)

    @contextmanager
    def write(self, key: RequestKey, request: Request) -> Iterator[None]:
        """Around a write to this copy of the request.

        A refusal is an answer to this write alone: an earlier one from the same copy may have arrived before.
        """
        versions, version = self._of.setdefault(key, set()), _version(request)
        first = version not in versions
        versions.add(version)
        try:
            yield
        except KubeError as error:
            if first and error.status is not None and error.status < 500:
                versions.discard(version)
            raise
        finally:
            if not versions:
                self._of.pop(key, None)

    def __contains__(self, key: RequestKey) -> bool:
        return key in self._of

    def may_arrive(self, key: RequestKey, now: Request | None) -> bool:
        """Return True if one may still arrive at the request, which is so at the API server; None if gone."""
        return now is not None and _version(now) in self._of.get(key, ())

    def forget(self, key: RequestKey) -> None:
        """Forget a request that is answered, or whose certificate was discarded."""
        self._of.pop(key, None)


def _version(request: Request) -> str:
    return str(request.object["metadata"].get("resourceVersion", ""))
