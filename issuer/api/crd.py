"""CustomResourceDefinitions, made from the models.

`python -m issuer.api.crd [--check] [DIRECTORY]` writes them (default: the chart's `crds`, which `config/crd`
names), or with `--check` compares the files there with the models.

Kubernetes takes only *structural* schemas: no `$ref`, no alternatives, no titles. Pydantic writes all three,
so its schema is flattened here. Source: Kubernetes, "Extend the Kubernetes API with
CustomResourceDefinitions".
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from issuer.api.group import (
    CLUSTER_ISSUER_KIND,
    CLUSTER_ISSUER_PLURAL,
    CLUSTER_ISSUER_SHORT,
    GROUP,
    ISSUER_KIND,
    ISSUER_PLURAL,
    ISSUER_SHORT,
    POLICY_KIND,
    POLICY_PLURAL,
    POLICY_SHORT,
    STEP_CLUSTER_ISSUER_KIND,
    STEP_CLUSTER_ISSUER_PLURAL,
    STEP_CLUSTER_ISSUER_SHORT,
    STEP_ISSUER_KIND,
    STEP_ISSUER_PLURAL,
    STEP_ISSUER_SHORT,
    VERSION,
)
from issuer.api.issuers import MAX_MESSAGE, VaultClusterIssuer, VaultIssuer
from issuer.api.model import ApiModel
from issuer.api.policy import CertificateRequestPolicy
from issuer.api.step import StepClusterIssuer, StepIssuer

CHART: Final = Path("charts/vault-issuer/crds")
_HEADER: Final = "# Made from issuer/api by `python -m issuer.api.crd`; change the models, not this file.\n"
_DROPPED: Final = frozenset({"$defs", "$ref", "title", "anyOf", "additionalProperties"})


def _ready(name: str, field: str, description: str, **more: Any) -> dict[str, Any]:
    path = f'.status.conditions[?(@.type == "Ready")].{field}'
    return {"name": name, "type": "string", **more, "description": description, "jsonPath": path}


_REASON: Final = _ready("Reason", "reason", "Why it is or isn't ready.")
_MESSAGE: Final = _ready("Message", "message", "What is wrong and what to do about it.", priority=1)
_AGE: Final = {
    "name": "Age",
    "type": "date",
    "description": "How long ago the object was created.",
    "jsonPath": ".metadata.creationTimestamp",
}
_CA_EXPIRY: Final = {
    # Text, not a date: for a date kubectl prints how long ago it was, and this one lies ahead.
    "name": "CA expiry",
    "type": "string",
    "description": "When the first CA of the chain expires.",
    "jsonPath": ".status.caNotAfter",
}
_ISSUER_COLUMNS: Final = [
    _ready("Ready", "status", "Whether the issuer signs."),
    _REASON,
    _CA_EXPIRY,
    _MESSAGE,
    _AGE,
]
_POLICY_COLUMNS: Final = [_ready("Ready", "status", "Whether the policy is used."), _REASON, _MESSAGE, _AGE]


@dataclass(frozen=True, slots=True)
class _Resource:
    """The parts of a definition beside its schema."""

    model: type[ApiModel]
    kind: str
    plural: str
    scope: str
    columns: list[dict[str, Any]]
    short_name: str


_RESOURCES: Final = (
    _Resource(VaultIssuer, ISSUER_KIND, ISSUER_PLURAL, "Namespaced", _ISSUER_COLUMNS, ISSUER_SHORT),
    _Resource(
        VaultClusterIssuer,
        CLUSTER_ISSUER_KIND,
        CLUSTER_ISSUER_PLURAL,
        "Cluster",
        _ISSUER_COLUMNS,
        CLUSTER_ISSUER_SHORT,
    ),
    _Resource(
        StepIssuer, STEP_ISSUER_KIND, STEP_ISSUER_PLURAL, "Namespaced", _ISSUER_COLUMNS, STEP_ISSUER_SHORT
    ),
    _Resource(
        StepClusterIssuer,
        STEP_CLUSTER_ISSUER_KIND,
        STEP_CLUSTER_ISSUER_PLURAL,
        "Cluster",
        _ISSUER_COLUMNS,
        STEP_CLUSTER_ISSUER_SHORT,
    ),
    _Resource(CertificateRequestPolicy, POLICY_KIND, POLICY_PLURAL, "Cluster", _POLICY_COLUMNS, POLICY_SHORT),
)


def custom_resource_definitions() -> dict[str, dict[str, Any]]:
    """Return the definitions, by the name of the file of each."""
    return {f"{GROUP}_{resource.plural}.yaml": _definition(resource) for resource in _RESOURCES}


def rendered() -> dict[str, str]:
    """Return every file of the directory by name, as text: the definitions and kustomize's list of them."""
    definitions = custom_resource_definitions()
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": sorted(definitions),
    }
    return {name: _yaml(data) for name, data in {**definitions, "kustomization.yaml": kustomization}.items()}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files. Returns the exit code: 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(prog="python -m issuer.api.crd", description="Write the CRDs as YAML.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the files differ")
    parser.add_argument("directory", nargs="?", type=Path, default=CHART)
    options = parser.parse_args(arguments)
    files = rendered()
    if options.check:
        return _check(options.directory, files)
    options.directory.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (options.directory / name).write_text(text, encoding="utf-8")
    return 0


def _check(directory: Path, files: Mapping[str, str]) -> int:
    different = sorted(name for name, text in files.items() if _read(directory / name) != text)
    for name in different:
        sys.stderr.write(f"{directory / name} differs from the models; run `python -m issuer.api.crd`\n")
    return 1 if different else 0


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _yaml(data: Mapping[str, Any]) -> str:
    return _HEADER + yaml.dump(data, Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)


# The C emitter writes the same text, in a sixth of the time.
class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, data: object) -> bool:
        """Return True: anchors would save nothing here, and people read these files."""
        return True


def _definition(resource: _Resource) -> dict[str, Any]:
    kind, plural = resource.kind, resource.plural
    names = {
        "categories": ["cert-manager"],
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "shortNames": [resource.short_name],
        "singular": kind.lower(),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": {"app.kubernetes.io/name": "vault-issuer"}},
        "spec": {
            "group": GROUP,
            "names": names,
            "scope": resource.scope,
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "additionalPrinterColumns": resource.columns,
                    "schema": {"openAPIV3Schema": structural_schema(resource.model)},
                    "subresources": {"status": {}},
                }
            ],
        },
    }


def structural_schema(model: type[ApiModel]) -> dict[str, Any]:
    """Return the structural OpenAPI v3 schema of a whole object, whose top level is `model`."""
    raw = _pydantics_schema(model)
    schema = _flatten(raw, raw.get("$defs", {}))
    # The API server owns these three and takes no constraints for the last.
    schema["properties"]["metadata"] = {"type": "object"}
    schema["required"] = ["spec"]
    schema["properties"]["status"].pop("default", None)
    spec, status = (schema["properties"][part]["properties"] for part in ("spec", "status"))
    if "revocation" in spec:
        spec["revocation"].pop("default", None)
    if "warnings" in status:
        status["warnings"]["items"]["maxLength"] = MAX_MESSAGE
    return schema


@cache
def _pydantics_schema(model: type[ApiModel]) -> Mapping[str, Any]:
    """Return pydantic's own schema, which takes 40 ms to make and is not to be changed."""
    return model.model_json_schema(by_alias=True)


def _flatten(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return `node` with references put in place, `X | None` as X, and only keys that structural schemas
    have."""
    flat: dict[str, Any] = {}
    if "$ref" in node:
        flat |= _flatten(definitions[node["$ref"].rpartition("/")[2]], definitions)
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            flat |= _flatten(option, definitions)
    for key, value in node.items():
        if key == "properties" and not value:
            continue  # the API server drops it, and whoever compares would always find a difference
        if key == "properties":
            flat[key] = {name: _flatten(child, definitions) for name, child in value.items()}
        elif key == "items" or (key == "additionalProperties" and isinstance(value, dict)):
            flat[key] = _flatten(value, definitions)
        elif key not in _DROPPED and not (key == "default" and value in (None, [])):
            flat[key] = value
    return _ordered(flat)


def _ordered(schema: Mapping[str, Any]) -> dict[str, Any]:
    first = [key for key in ("description", "type", "format") if key in schema]
    return {key: schema[key] for key in [*first, *(key for key in schema if key not in first)]}


if __name__ == "__main__":
    sys.exit(main())
