"""Requests that no policy allows yet, and what makes them worth another look."""

from __future__ import annotations

from collections.abc import Callable

from issuer.requests.request import RequestKey


class UnprocessedRequests:
    """Wakes requests when policies, labels or RBAC change; `wake` puts one into the queue."""

    def __init__(self, wake: Callable[[RequestKey], None]) -> None:
        self._wake = wake
        self._judged_in: dict[RequestKey, str] = {}
        self._waiting: dict[str, set[RequestKey]] = {}

    def __len__(self) -> int:
        return len(self._judged_in)

    def known(self) -> tuple[RequestKey, ...]:
        """Return the requests that wait for a policy."""
        return tuple(self._judged_in)

    def add(self, key: RequestKey, namespace: str) -> None:
        """Note a request that waits for a policy, which sees it in `namespace`."""
        self._judged_in[key] = namespace
        self._waiting.setdefault(namespace, set()).add(key)

    def discard(self, key: RequestKey) -> None:
        """Forget a request that is gone or decided."""
        namespace = self._judged_in.pop(key, None)
        if namespace is not None:
            keys = self._waiting[namespace]
            keys.discard(key)
            if not keys:
                del self._waiting[namespace]

    def wake_namespace(self, namespace: str) -> None:
        """Wake the requests of a namespace whose labels changed."""
        for key in self._waiting.pop(namespace, ()):
            del self._judged_in[key]
            self._wake(key)

    def wake_all(self) -> None:
        """Wake all: a policy or RBAC changed."""
        for namespace in list(self._waiting):
            self.wake_namespace(namespace)
