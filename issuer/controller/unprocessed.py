"""Requests that no policy applies to yet, and what makes them worth another look."""

from __future__ import annotations

from collections.abc import Callable

from issuer.controller.request import RequestKey


class UnprocessedRequests:
    """Wakes requests when policies, labels or RBAC change; ``wake`` puts one into the queue."""

    def __init__(self, wake: Callable[[RequestKey], None]) -> None:
        self._wake = wake
        self._waiting: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return sum(len(names) for names in self._waiting.values())

    def add(self, key: RequestKey) -> None:
        """This request waits for a policy."""
        self._waiting.setdefault(key.namespace, set()).add(key.name)

    def discard(self, key: RequestKey) -> None:
        """This request is gone."""
        names = self._waiting.get(key.namespace)
        if names is not None:
            names.discard(key.name)
            if not names:
                del self._waiting[key.namespace]

    def wake_namespace(self, namespace: str) -> None:
        """The namespace's labels changed."""
        for name in self._waiting.pop(namespace, ()):
            self._wake(RequestKey(namespace, name))

    def wake_all(self) -> None:
        """A policy or RBAC changed."""
        for namespace in list(self._waiting):
            self.wake_namespace(namespace)
