"""Writes what is made from the chart: most of config/, parts of its schema and README, and a table of alerts.

python -m tools.manifests [--check]

With --check nothing is written, and the exit code is 1 where a file differs.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

from issuer import __version__
from issuer.api.crd import custom_resource_definitions
from issuer.api.group import GROUP
from testbed.chart import CHART, REGISTRY, render_text
from testbed.cluster import REPOSITORY
from tools import dashboard

HEADER = "# Made from charts/vault-issuer by `make manifests`; change the chart, not this file.\n"
# The chart's templates by the folder of config/ they go to; hooks and tests are Helm's own.
FOLDERS = {
    "rbac": "rbac",
    "people": "rbac/people",
    "admission": "admission",
    "monitoring": "monitoring",
    "": "manager",
    "canary": "canary",
    "pki": "pki-job",
}
OPTIONAL = {
    f"rbac/{name}.yaml": f"rbac/optional/{name}.yaml"
    for name in ("cluster-issuer-secrets", "revocation", "sharding", "trust", "trust-bundles")
}
# kustomize makes the ConfigMap from a file; its name has a hash, which the Job's gets by pki-job/names.yaml.
LEFT_OUT = {"pki-job/configmap.yaml"}
PKI = {"enabled": True, "file": "version: 1\n", "server": "https://vault.vault.svc:8200"}
_JOB_NAME = re.compile(r"\bvault-issuer-pki-[0-9a-f]{10}\b")
OPTIONAL |= {"canary/rbac.yaml": "canary/rights/rbac.yaml", "rbac/adopt.yaml": "adopt/rbac.yaml"}
CANARY = {"enabled": True, "issuers": [{"name": "vault", "dnsName": "canary.lab.example.com"}]}
VALUES: tuple[dict[str, Any], ...] = (
    {},
    {"revocation": {"enabled": True, "allNamespaces": True}},
    {"clusterIssuers": {"allSecrets": True}},
    {"controller": {"shards": 16}},
    {"metrics": {"podMonitor": {"enabled": True}}, "monitoring": {"rules": {"enabled": True}}},
    {"canary": CANARY},
    {"pki": PKI},
    {"admissionPolicy": {"enabled": True}},
    {"adopt": {"stepIssuer": True}},
    {"trustDistribution": {"configMaps": ["trusted-roots"], "clusterTrustBundles": True}},
)
_SOURCE = re.compile(r"^# Source: vault-issuer/templates/(?:(\w+)/)?([\w-]+\.yaml)$", re.MULTILINE)
_HELMS_OWN = re.compile(r"^ *(helm\.sh/chart: |app\.kubernetes\.io/managed-by: Helm).*\n", re.MULTILINE)
# Definitions of the values' schema by the resource whose spec they are.
SPECS = {
    "issuerSpec": "vaultclusterissuers",
    "stepIssuerSpec": "stepclusterissuers",
    "policySpec": "certificaterequestpolicies",
}
CHART_FILE = CHART / "Chart.yaml"
MONITORING = REPOSITORY / "docs" / "monitoring.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when --check found a difference."""
    parser = argparse.ArgumentParser(description="Write what is made from the chart.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a file differs")
    check = parser.parse_args(arguments).check
    if not check:
        # First: all else is rendered from it.
        CHART_FILE.write_text(chart_file(CHART_FILE.read_text(encoding="utf-8")), encoding="utf-8")
    different = 0
    for path, text in made().items():
        if (path.read_text(encoding="utf-8") if path.is_file() else None) == text:
            continue
        different += 1
        name = path.relative_to(REPOSITORY)
        if check:
            print(f"{name} differs from the chart; run `make manifests`", file=sys.stderr)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(name)
    return 1 if check and different else 0


def made() -> dict[Path, str]:
    """Every made file, as it should be."""
    config = manifests()
    rules = config["monitoring/prometheusrule.yaml"]
    return {REPOSITORY / "config" / name: HEADER + text for name, text in config.items()} | {
        CHART_FILE: chart_file(CHART_FILE.read_text(encoding="utf-8")),
        MONITORING: alerts_page(MONITORING.read_text(encoding="utf-8"), rules),
        dashboard.FILE: dashboard.text(),
        CHART / "values.schema.json": schema((CHART / "values.schema.json").read_text(encoding="utf-8")),
        CHART / "README.md": readme((CHART / "README.md").read_text(encoding="utf-8")),
    }


def manifests() -> dict[str, str]:
    """The chart's objects with default values, without what only Helm wants, by their file below config/.

    What only other values make is taken from a rendering with these.
    """
    found: dict[str, str] = {}
    for values in VALUES:
        for name, text in _rendered(values).items():
            found.setdefault(name, text)
    return dict(sorted(found.items()))


def _rendered(values: dict[str, Any]) -> dict[str, str]:
    found: dict[str, list[str]] = {}
    # kustomize's images sets an image by its name, wherever it is.
    rendered = render_text(values).replace(f"{REGISTRY}/", "")
    for document in re.split(r"^---\n", rendered, flags=re.MULTILINE):
        source = _SOURCE.search(document)
        if source is None or (source[1] or "") not in FOLDERS:
            continue
        name = f"{FOLDERS[source[1] or '']}/{source[2]}"
        if name in LEFT_OUT:
            continue
        ours = _JOB_NAME.sub("vault-issuer-pki", _SOURCE.sub("", document, count=1))
        text = _HELMS_OWN.sub("", ours).strip()
        found.setdefault(OPTIONAL.get(name, name), []).append(f"{text}\n")
    return {name: "---\n".join(texts) for name, texts in found.items()}


def chart_file(text: str) -> str:
    """Chart.yaml with the version that the code has."""
    return re.sub(r"^(version|appVersion): .*$", rf"\1: {__version__}", text, flags=re.MULTILINE)


MAY_BE_NULL = re.compile(
    r"enabled|clusterIssuers\.(secrets|serviceAccounts)|pki\.caSecret|(global|strategy\.rollingUpdate|resources|hooks\.resources|(start|live|readi)\w*Probe|pod\w*Context|container\w*Context"
    r"|monitoring\.dashboard\.labels)\b.*|replicaCount|revisionHistoryLimit|image\.(registry|pullPolicy)"
    r"|metrics\.\w+Monitor\.interval"
)
"""Values whose default a user may take away by null: that of Kubernetes or Prometheus holds then."""


def schema(text: str) -> str:
    """The values' schema: with the specs that the CRDs have, and the values required that can't be null."""
    found = json.loads(text)
    _require(found, found["definitions"], yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8")))
    definitions = custom_resource_definitions()
    for name, plural in SPECS.items():
        version = definitions[f"{GROUP}_{plural}.yaml"]["spec"]["versions"][0]
        found["definitions"][name] = _closed(version["schema"]["openAPIV3Schema"]["properties"]["spec"])
    return json.dumps(found, indent=2) + "\n"


def _require(
    spec: dict[str, Any], definitions: dict[str, Any], defaults: dict[str, Any], path: str = ""
) -> None:
    """Require what has a default below a mapping.

    Helm merges defaults in first, so only null takes one away: it would be an empty argument, a nil pointer,
    or a right that is missing without a word.
    """
    if "$ref" in spec:  # one for several mappings, whose defaults are of one kind
        spec = definitions[spec["$ref"].rpartition("/")[2]]
    names = [
        name
        for name, value in defaults.items()
        if (value or type(value) in (int, float)) and not MAY_BE_NULL.fullmatch(f"{path}{name}")
    ]
    if names:
        spec["required"] = sorted({*spec.get("required", ()), *names})
    for name, value in defaults.items():
        if value and isinstance(value, dict) and not MAY_BE_NULL.fullmatch(f"{path}{name}"):
            _require(spec["properties"][name], definitions, value, f"{path}{name}.")


def _closed(spec: dict[str, Any]) -> dict[str, Any]:
    """A CRD's schema as JSON Schema: unknown fields are refused, and the server's own rules left out."""
    kept = {key: value for key, value in spec.items() if not key.startswith("x-")}
    for key in ("description", "default", "format"):
        kept.pop(key, None)
    if "properties" in kept:
        kept["properties"] = {name: _closed(value) for name, value in kept["properties"].items()}
        kept["additionalProperties"] = False
    elif isinstance(kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = _closed(kept["additionalProperties"])
    if "items" in kept:
        kept["items"] = _closed(kept["items"])
    return kept


def readme(text: str) -> str:
    """The chart's README with a table of the values."""
    rows = "".join(
        f"| `{name}` | {f'`{default}`' if default else ''} | {told} |\n" for name, default, told in values()
    )
    return _between(text, "values", f"| value | default | meaning |\n|---|---|---|\n{rows}")


def alerts_page(text: str, rules: str) -> str:
    """docs/monitoring.md with a table of the alerts of a rendered PrometheusRule."""
    told = dict(re.findall(r"^ *# (VaultIssuer\w+): (.*)$", rules, re.MULTILINE))
    severities: dict[str, list[str]] = {}
    for group in yaml.safe_load(rules)["spec"]["groups"]:
        for rule in group["rules"]:
            if "alert" in rule:
                severities.setdefault(rule["alert"], []).append(rule["labels"]["severity"])
    rows = "".join(
        f"| [{name}](runbooks/{name}.md) | {', '.join(found)} | {told[name]} |\n"
        for name, found in severities.items()
    )
    return _between(text, "alerts", f"| alert | severity | what it means |\n|---|---|---|\n{rows}")


def _between(text: str, name: str, made: str) -> str:
    """The text with what is made between its two marks of that name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    return f"{text.split(begin)[0]}{begin}\n{made}{end}{text.split(end)[1]}"


def values() -> Iterator[tuple[str, str, str]]:
    """Name, default and comment of each value of values.yaml that has a default or a comment."""
    path: list[str] = []
    comment: list[str] = []
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    for line in lines[1:]:  # the first is about the file
        stripped = line.strip()
        if not stripped:
            comment = []
        elif stripped.startswith("#"):
            comment.append(stripped.removeprefix("#").strip())
        else:
            key, _, default = stripped.partition(":")
            path = [*path[: (len(line) - len(line.lstrip())) // 2], key]
            told = " ".join(comment).replace("|", "\\|")
            if default or told:
                yield ".".join(path), default.strip(), told
            comment = []


if __name__ == "__main__":
    sys.exit(main())
