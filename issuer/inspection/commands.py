"""Commands that people are told to paste. Pure; whatever others wrote in them is quoted for a shell."""

from __future__ import annotations

import json
import shlex
from typing import Final

from issuer.manifests.text import shown
from issuer.requests.issuers import IssuerKey, IssuerKinds

CONTROLLER_PODS: Final = "kubectl get pods -A -l app.kubernetes.io/name=vault-issuer"


def quoted(name: str) -> str:
    """Return somebody's name as one word of a shell, with nothing in it that moves a cursor."""
    return shlex.quote(shown(name))


def in_namespace(namespace: str) -> str:
    """Return the option that names a namespace, after a space; "" for none."""
    return f" -n {quoted(namespace)}" if namespace else ""


def explain_issuer(key: IssuerKey) -> str:
    """Return the command that explains an issuer."""
    target = quoted(f"{key.kind.lower()}/{key.name}")
    return f"kubectl vault-issuer explain {target}{in_namespace(key.namespace)}"


def explain_certificate(name: str, namespace: str) -> str:
    """Return the command that explains a Certificate."""
    return f"kubectl vault-issuer explain {quoted(f'certificate/{name}')}{in_namespace(namespace)}"


def describe(kind: str, name: str, namespace: str = "") -> str:
    """Return the command that shows an object with its events."""
    return f"kubectl describe {kind} {quoted(name)}{in_namespace(namespace)}"


def edit(kind: str, name: str, namespace: str = "") -> str:
    """Return the command that edits an object."""
    return f"kubectl edit {kind} {quoted(name)}{in_namespace(namespace)}"


def renew(certificate: str, namespace: str) -> str:
    """Return the command that has a Certificate issued again."""
    return f"kubectl vault-issuer renew {quoted(certificate)}{in_namespace(namespace)}"


def name_issuer(certificate: str, namespace: str, issuer: IssuerKey, kinds: IssuerKinds) -> str:
    """Return the command that names this issuer in a Certificate."""
    patch = json.dumps({"spec": {"issuerRef": kinds.reference(issuer)}}, separators=(",", ":"))
    return (
        f"kubectl patch certificate {quoted(certificate)}{in_namespace(namespace)} --type merge -p "
        f"{shlex.quote(patch)}"
    )
