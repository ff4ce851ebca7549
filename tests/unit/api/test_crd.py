"""The CRDs on disk are what the models give, and what Kubernetes takes."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from issuer.api.crd import custom_resource_definitions, main, rendered

DIRECTORY = Path(__file__).parents[3] / "charts" / "vault-issuer" / "crds"
VAULT_ISSUERS = ("VaultIssuer", "VaultClusterIssuer")
ISSUERS = (*VAULT_ISSUERS, "StepIssuer", "StepClusterIssuer")
KNOWN = {
    *("description", "type", "format", "properties", "required", "items", "enum", "default"),
    *("minLength", "maxLength", "minimum", "maximum", "maxItems"),
    "additionalProperties",
    *("x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys"),
}


def schemas(*kinds: str) -> Iterator[dict[str, Any]]:
    for definition in custom_resource_definitions().values():
        if not kinds or definition["spec"]["names"]["kind"] in kinds:
            yield definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def walk(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if key in schema:
            yield from walk(schema[key], path + mark)


def test_files_on_disk_are_what_the_models_give() -> None:
    files = rendered()
    different = [
        name for name, text in files.items() if (DIRECTORY / name).read_text(encoding="utf-8") != text
    ]
    assert not different, "run `python -m issuer.api.crd`"
    assert {path.name for path in DIRECTORY.iterdir()} == set(files)
    assert yaml.safe_load(files["kustomization.yaml"])["resources"] == sorted(custom_resource_definitions())


def test_check_says_which_file_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "new")]) == 0
    assert main(["--check", str(tmp_path / "new")]) == 0
    (tmp_path / "new" / "kustomization.yaml").write_text("other")
    assert main(["--check", str(tmp_path / "new")]) == 1
    assert "kustomization.yaml differs" in capsys.readouterr().err


def test_schemas_are_structural_and_described() -> None:
    for schema in schemas():
        for path, node in walk(schema):
            assert set(node) <= KNOWN, path
            assert isinstance(node.get("type"), str), path
            if path != ".metadata" and not path.endswith(("[]", "{}")):
                assert node.get("description"), path


def test_nothing_is_empty_that_an_api_server_drops() -> None:
    found = [path for schema in schemas() for path, part in walk(schema) if {} in part.values()]
    assert found == []


def test_every_rule_has_a_message_for_people() -> None:
    rules = [
        rule
        for schema in schemas()
        for _, node in walk(schema)
        for rule in node.get("x-kubernetes-validations", [])
    ]
    assert rules
    assert all(len(rule["message"]) > 20 and "\n" not in rule["message"] for rule in rules)


def test_vault_has_cert_managers_fields_and_requirements() -> None:
    for schema in schemas(*VAULT_ISSUERS):
        vault = schema["properties"]["spec"]["properties"]["vault"]
        assert set(vault["required"]) == {"auth", "server", "path"}
        assert "default" not in {key for _, node in walk(vault) for key in node}
        assert set(vault["properties"]) == {
            *("auth", "server", "serverName", "path", "namespace", "caBundle", "caBundleSecretRef"),
            *("clientCertSecretRef", "clientKeySecretRef"),
        }
        fields = {path for path, _ in walk(vault["properties"]["auth"])}
        assert {
            ".tokenSecretRef.key",
            ".appRole.roleId",
            ".kubernetes.serviceAccountRef.audiences[]",
            ".clientCertificate.secretName",
            ".aws.iamRoleArn",
            ".aws.vaultHeaderValue",
        } <= fields


def test_step_has_step_issuers_fields_and_requirements() -> None:
    """As `certmanager.step.sm/v1beta1` of step-issuer 0.12.0 has them; `caBundle` may be left out here."""
    own = {"StepIssuer": set[str](), "StepClusterIssuer": {"passwordEnv", "passwordFile"}}
    for kind, more in own.items():
        [schema] = schemas(kind)
        spec = schema["properties"]["spec"]
        assert list(spec["properties"])[:3] == ["url", "caBundle", "provisioner"]
        assert spec["required"] == ["url", "provisioner"]
        provisioner = spec["properties"]["provisioner"]
        assert provisioner["required"] == ["name", "kid"]
        assert set(provisioner["properties"]) == {"name", "kid", "passwordRef", "keyRef", *more}
        where = {"namespace"} if more else set()
        assert set(provisioner["properties"]["passwordRef"]["properties"]) == {"name", "key", *where}


def test_the_kinds_are_told_apart() -> None:
    found = {
        (d["spec"]["names"]["kind"], d["spec"]["scope"], d["metadata"]["name"])
        for d in custom_resource_definitions().values()
    }
    assert found == {
        ("VaultIssuer", "Namespaced", "vaultissuers.vault-issuer.io"),
        ("VaultClusterIssuer", "Cluster", "vaultclusterissuers.vault-issuer.io"),
        ("StepIssuer", "Namespaced", "stepissuers.vault-issuer.io"),
        ("StepClusterIssuer", "Cluster", "stepclusterissuers.vault-issuer.io"),
        ("CertificateRequestPolicy", "Cluster", "certificaterequestpolicies.vault-issuer.io"),
    }
    for definition in custom_resource_definitions().values():
        kind = definition["spec"]["names"]["kind"]
        assert definition["spec"]["names"]["categories"] == ["cert-manager"]
        assert len(definition["spec"]["names"]["shortNames"]) == 1
        version = definition["spec"]["versions"][0]
        assert version["subresources"] == {"status": {}}
        names = [column["name"] for column in version["additionalPrinterColumns"]]
        expiry = ["CA expiry"] if kind in ISSUERS else []
        assert names == ["Ready", "Reason", *expiry, "Message", "Age"]


def test_a_policy_has_approver_policys_fields_and_no_bounds_of_our_own() -> None:
    """A policy that approver-policy's CRD takes must be taken here, so no field may be narrower."""
    (schema,) = schemas("CertificateRequestPolicy")
    spec = schema["properties"]["spec"]
    assert spec["required"] == ["selector"]
    assert set(spec["properties"]) == {"allowed", "constraints", "plugins", "selector"}
    allowed = spec["properties"]["allowed"]["properties"]
    assert set(allowed) == {
        *("commonName", "dnsNames", "ipAddresses", "uris", "emailAddresses", "isCA", "usages", "subject"),
        "otherNames",
    }
    assert set(allowed["subject"]["properties"]) == {
        *("organizations", "countries", "organizationalUnits", "localities", "provinces"),
        *("streetAddresses", "postalCodes", "serialNumber", "otherAttributes"),
    }
    assert len(allowed["usages"]["items"]["enum"]) == 23
    required = {path: node["required"] for path, node in walk(spec) if "required" in node}
    assert {tuple(names) for path, names in required.items() if path} == {("rule",), ("oid",)}
    bounds = {"default", "minLength", "maxLength", "minimum", "maximum", "maxItems", "format"}
    bounded = {path for path, node in walk(spec) if node.keys() & bounds}
    assert bounded == {".constraints.minDuration", ".constraints.maxDuration"}  # Go can't read such, either
    by_rule = {path for path, node in walk(spec) if node.get("x-kubernetes-list-map-keys") == ["rule"]}
    assert {path for path, _ in walk(spec) if path.endswith(".validations")} == by_rule


def test_making_the_definitions_leaves_no_trace() -> None:
    before = deepcopy(custom_resource_definitions())
    assert custom_resource_definitions() == before
