"""Which cluster the tests are run against: a JSON file named by E2E_SETTINGS.

`make e2e` and `make kind` write one. By hand, for a cluster of your own that runs cert-manager and whose pods
reach a Vault::

    {"kubeconfig": "/home/me/.kube/config",
     "vault": {"addr": "https://vault.example.com:8200", "token": "...", "caFile": "/home/me/vault-ca.pem"},
     "image": "vault-issuer:0.1.0", "nextImage": "vault-issuer:next",
     "values": {"image": {"registry": "registry.example.com"}}}

Where the cluster has a release or CRDs of ours already nothing is done, unless `"disposable": true` says
that they may go.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "E2E_SETTINGS"


@dataclass(frozen=True, slots=True)
class Kubelet:
    """Commands that stop and start kubelet, and return when it is done."""

    stop: list[str]
    start: list[str]


@dataclass(frozen=True, slots=True)
class Previous:
    """The version to upgrade from: its chart's folder or package, and the name of its image."""

    chart: str
    image: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What is there to test with.

    Attributes:
        kubeconfig: of an administrator.
        vault_addr, vault_token, vault_ca: Vault as pods and tests reach it, its root token, its CA's file.
        image, next_image: what is installed by default, and what is upgraded to; nodes have or find both.
        values: of every install, such as the registry.
        image_megabytes: what the Dockerfile adds to its base, unpacked and gzipped, where that is known.
        previous, kubelet: None where there is none; their tests are then skipped.
        disposable: the cluster is made for these tests, so what a release of ours there is may go.
        dist: the folder of a release, whose chart is then what is installed; None for the chart of this tree.
        kill: command that kills a container by SIGKILL when its ID is added; None likewise.
    """

    kubeconfig: Path
    vault_addr: str
    vault_token: str = field(repr=False)
    vault_ca: Path
    image: str
    next_image: str
    values: dict[str, Any]
    image_megabytes: tuple[float, float] | None
    previous: Previous | None
    kubelet: Kubelet | None
    kill: list[str] | None
    disposable: bool
    dist: Path | None = None


def load() -> Settings | None:
    """What E2E_SETTINGS names; None where it isn't set."""
    name = os.environ.get(VARIABLE)
    if not name:
        return None
    told = json.loads(Path(name).read_text())
    vault, size = told["vault"], told.get("imageMegabytes")
    return Settings(
        kubeconfig=Path(told["kubeconfig"]),
        vault_addr=vault["addr"],
        vault_token=vault["token"],
        vault_ca=Path(vault["caFile"]),
        image=told["image"],
        next_image=told["nextImage"],
        values=told.get("values", {}),
        image_megabytes=(size[0], size[1]) if size else None,
        previous=Previous(**told["previous"]) if told.get("previous") else None,
        kubelet=Kubelet(**told["kubelet"]) if told.get("kubelet") else None,
        kill=told.get("kill"),
        disposable=bool(told.get("disposable")),
        dist=Path(told["dist"]) if told.get("dist") else None,
    )
