"""A small synchronous Kubernetes client for setting up, looking at and waiting for things in a test cluster.

Objects are plain dicts as in the JSON. The product's own client is what is tested, so this one shares nothing
with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

import yaml

from testbed.errors import HTTPError, TestbedError
from testbed.jsonhttp import JSONClient
from testbed.processes import PATIENCE

Object = dict[str, Any]
Objects = list[Object]  # the class below has a method named list
POLL_SECONDS, LONGEST_PAUSE = 0.1, 0.4
# The C loader reads cert-manager's CRDs in a tenth of a second, the Python one in one.
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Kube:
    """Calls one API server as one user; safe to use from several threads.

    Kinds are named as in a manifest (``apiVersion``, ``kind``); the server's discovery tells the path.
    """

    def __init__(self, server: str, ca_file: Path, token: str) -> None:
        self.http = JSONClient(server, str(ca_file), {"Authorization": f"Bearer {token}"})
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close kept connections."""
        self.http.close()

    def version(self) -> str:
        """The server's version, ``v1.36.3``."""
        return str(self.http.call("GET", "/version")["gitVersion"])

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object; HTTPError with status 404 when there is none."""
        return self._object("GET", self.path(api_version, kind, name, namespace))

    def find(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None when there is none."""
        try:
            return self.get(api_version, kind, name, namespace)
        except HTTPError as error:
            if error.status == 404:
                return None
            raise

    def list(self, api_version: str, kind: str, namespace: str | None = None, **query: str) -> Objects:
        """All objects of a kind, in one namespace or in all; ``query`` such as ``labelSelector="a=b"``."""
        items = self._object("GET", self.path(api_version, kind, None, namespace, **query)).get("items") or []
        return [{"apiVersion": api_version, "kind": kind, **item} for item in items]

    def create(self, item: Object, *, validation: str = "Strict") -> Object:
        """Create one object; unknown fields are refused unless ``validation`` is ``Warn`` or ``Ignore``."""
        return self._object("POST", self._path_of(item, named=False, fieldValidation=validation), item)

    def apply(
        self, items: Object | Iterable[Object] | Path, *, validation: str = "Strict", manager: str = "testbed"
    ) -> Objects:
        """Server-side apply, in order: dicts, a YAML file, or all YAML files of a directory.

        A kind the server doesn't know yet (its CRD was applied a moment ago) is waited for.
        """
        query = {"fieldManager": manager, "force": "true", "fieldValidation": validation}
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return [
            self._object("PATCH", self._path_of(item, named=True, **query), item, headers)
            for item in load(items)
        ]

    def replace(self, item: Object, subresource: str | None = None) -> Object:
        """Replace one object, or its ``status``; its resourceVersion guards against lost updates."""
        return self._object("PUT", self._path_of(item, named=True, subresource=subresource), item)

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        patch: Mapping[str, Any],
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Object:
        """JSON merge patch of an object or its subresource."""
        path = self.path(api_version, kind, name, namespace, subresource)
        return self._object("PATCH", path, dict(patch), {"Content-Type": "application/merge-patch+json"})

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        """Delete an object; False when it wasn't there."""
        try:
            self.http.call("DELETE", self.path(api_version, kind, name, namespace))
        except HTTPError as error:
            if error.status == 404:
                return False
            raise
        return True

    def remove(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> None:
        """Delete an object and wait until it is gone: a CRD goes only after the last object of its kind."""
        deadline = time.monotonic() + PATIENCE
        while self.delete(api_version, kind, name, namespace):
            if time.monotonic() > deadline:
                raise TestbedError(f"{kind} {name} is still there {PATIENCE:.0f} s after its deletion")
            time.sleep(POLL_SECONDS)

    def wait(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        until: str | Callable[[Object], bool] = "Ready",
        timeout: float = PATIENCE,
    ) -> Object:
        """Wait until a condition holds (``"Ready"``, ``"Ready=False"``) or a function of the object says so.

        Raises:
            TestbedError: it didn't happen in ``timeout`` seconds; the text tells the object's last status.
        """
        holds = _condition(until) if isinstance(until, str) else until
        deadline = time.monotonic() + timeout
        pause = POLL_SECONDS / 2
        while True:
            item = self.find(api_version, kind, name, namespace)
            if item is not None and holds(item):
                return item
            if time.monotonic() > deadline:
                where = f"{kind} {namespace + '/' if namespace else ''}{name}"
                what = until if isinstance(until, str) else "as asked"
                status = "it doesn't exist" if item is None else f"its status: {item.get('status')}"
                raise TestbedError(f"{where} did not become {what} in {timeout:.0f} s; {status}")
            time.sleep(pause)
            pause = min(1.3 * pause, LONGEST_PAUSE)  # what takes long is looked at less often

    def service_account_token(
        self, namespace: str, name: str, audiences: Iterable[str] = (), seconds: int = 30 * 86_400
    ) -> str:
        """A bound token of a ServiceAccount (TokenRequest)."""
        spec = {"audiences": list(audiences), "expirationSeconds": seconds}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = self.path("v1", "ServiceAccount", name, namespace, "token")
        return str(self._object("POST", path, body)["status"]["token"])

    def path(
        self,
        api_version: str,
        kind: str,
        name: str | None = None,
        namespace: str | None = None,
        subresource: str | None = None,
        **query: str,
    ) -> str:
        """The URL path of a collection, an object or a subresource."""
        plural, namespaced = self._resource(api_version, kind)
        parts = ["api" if "/" not in api_version else "apis", api_version]
        if namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [plural, *(quote(part, safe="") for part in (name, subresource) if part)]
        return "/" + "/".join(parts) + (f"?{urlencode(query)}" if query else "")

    def _path_of(self, item: Object, *, named: bool, subresource: str | None = None, **query: str) -> str:
        meta = item["metadata"]
        _, namespaced = self._resource(item["apiVersion"], item["kind"])
        namespace = meta.get("namespace", "default") if namespaced else None
        name = meta["name"] if named else None
        return self.path(item["apiVersion"], item["kind"], name, namespace, subresource, **query)

    def _resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        deadline = time.monotonic() + PATIENCE
        while (api_version, kind) not in self._resources:
            self._discover(api_version)
            if (api_version, kind) not in self._resources:
                if time.monotonic() > deadline:
                    raise TestbedError(
                        f"the API server has no kind {kind} in {api_version}: apply its CRD first"
                    )
                time.sleep(POLL_SECONDS)
        return self._resources[api_version, kind]

    def _discover(self, api_version: str) -> None:
        prefix = "api" if "/" not in api_version else "apis"
        try:
            found = self.http.call("GET", f"/{prefix}/{api_version}")
        except HTTPError as error:
            if error.status != 404:
                raise
            return
        for resource in found["resources"]:
            if "/" not in resource["name"]:
                self._resources[api_version, resource["kind"]] = resource["name"], resource["namespaced"]

    def _object(
        self, method: str, path: str, body: Object | None = None, headers: Mapping[str, str] | None = None
    ) -> Object:
        answer = self.http.call(method, path, body, headers=headers)
        if not isinstance(answer, dict):
            raise TestbedError(f"{method} {path} answered with no object")
        return answer


def load(items: Object | Iterable[Object] | Path) -> list[Object]:
    """Objects from a dict, several, a YAML file, or a directory, without what kustomize alone reads there."""
    if isinstance(items, Path):
        files = _object_files(items) if items.is_dir() else [items]
        return [item for file in files for item in _documents(file) if item]
    return [items] if isinstance(items, dict) else list(items)


def _object_files(folder: Path) -> list[Path]:
    kustomization = folder / "kustomization.yaml"
    settings = _documents(kustomization)[0] if kustomization.is_file() else {}
    others = {kustomization.name, *settings.get("configurations", ())}
    return [file for file in sorted(folder.glob("*.yaml")) if file.name not in others]


def _documents(file: Path) -> list[Object]:
    with file.open() as text:
        return documents(text)


def documents(text: str | IO[str]) -> list[Any]:
    """Return the documents of YAML text, empty ones as None."""
    return list(yaml.load_all(text, SafeLoader))


def condition(item: Object, kind: str) -> Object | None:
    """A condition of an object's status by its type, or None."""
    found = item.get("status", {}).get("conditions") or []
    return next((one for one in found if one.get("type") == kind), None)


def _condition(words: str) -> Callable[[Object], bool]:
    kind, _, value = words.partition("=")
    return lambda item: (condition(item, kind) or {}).get("status") == (value or "True")
