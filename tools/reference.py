"""Writes what is made from the code into docs: docs/reference with the schemas of pki.yaml, and tables.

python -m tools.reference [--check]

With --check nothing is written, and the exit code is 1 where a page differs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer.main

from issuer.api.crd import custom_resource_definitions
from issuer.api.group import GROUP
from issuer.cli.help import argument_name, blocks, default_value, is_example, possible_values
from issuer.cli.main import app
from issuer.pki.file.schema import FILE, OVERLAY
from issuer.pki.plan.editors import editor_schema
from tools import pki_examples
from tools.file_reference import pki_file

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
_MADE = "<!-- Made by `make reference`; change {}, not this page. -->\n"
_ABOUT_RESOURCES = """\
Under strict validation, which `kubectl` asks for, what is not here is refused. What the fields are for:
[auth.md](../auth.md), [signing.md](../signing.md), [policy.md](../policy.md), [limits.md](../limits.md),
[revocation.md](../revocation.md).
"""
_FIELDS = "| field | type | default | meaning |\n|---|---|---|---|\n"
Schema = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 1 when --check found a difference."""
    parser = argparse.ArgumentParser(description="Write the reference that is made from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail where a page differs")
    check = parser.parse_args(arguments).check
    different = [path for path, text in made().items() if not path.is_file() or path.read_text() != text]
    for path in different:
        if check:
            print(f"{path.relative_to(ROOT)} differs from the code; run `make reference`", file=sys.stderr)
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(made()[path], encoding="utf-8")
            print(path.relative_to(ROOT))
    return 1 if check and different else 0


_ABOUT_VAULT = """\
A `VaultIssuer` serves its own namespace. `trust` is a field of a `VaultClusterIssuer` alone.
"""
_ABOUT_STEP = """\
A `StepIssuer` serves its own namespace. `passwordRef.namespace`, `passwordEnv`, `passwordFile` and `trust`
are fields of a `StepClusterIssuer` alone.
"""


def made() -> dict[Path, str]:
    """All pages and schemas, as they should be."""
    return {
        PAGES / "custom-resources.md": custom_resources(),
        PAGES / "cli.md": commands(),
        PAGES / "pki.md": "\n".join([_MADE.format("issuer/pki/file"), pki_file()]),
        pki_examples.PAGE: pki_examples.page(),
        PAGES / FILE: json.dumps(editor_schema(), indent=2) + "\n",
        PAGES / OVERLAY: json.dumps(editor_schema(overlay=True), indent=2) + "\n",
    }


def custom_resources() -> str:
    """The page of the kinds: every field with its type, default and meaning, and the rules over them."""
    found = custom_resource_definitions()
    kinds = {
        plural: found[f"{GROUP}_{plural}.yaml"]["spec"]
        for plural in (
            "vaultissuers",
            "vaultclusterissuers",
            "stepissuers",
            "stepclusterissuers",
            "certificaterequestpolicies",
        )
    }
    issuer, cluster, _, step_cluster, policy = kinds.values()
    own, of_cluster = (_schema(one)["properties"]["spec"]["properties"] for one in (issuer, cluster))
    assert {**own, "trust": of_cluster["trust"]} == of_cluster  # noqa: S101
    parts = [
        _MADE.format("issuer/api"),
        "# Custom resources\n",
        _ABOUT_RESOURCES,
        "## VaultIssuer and VaultClusterIssuer\n",
        _ABOUT_VAULT,
        *_kind(cluster, "kubectl get vaultissuers,vaultclusterissuers -A"),
        "## StepIssuer and StepClusterIssuer\n",
        _ABOUT_STEP,
        *_kind(step_cluster, "kubectl get vsi,vsci -A"),
        "## CertificateRequestPolicy\n",
        "Cluster-wide; its selector says which requests it is about.\n",
        *_kind(policy, "kubectl get certificaterequestpolicies.vault-issuer.io"),
    ]
    return "\n".join(parts)


def _schema(spec: Schema) -> dict[str, Any]:
    found: dict[str, Any] = spec["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def _kind(spec: Schema, command: str) -> Iterator[str]:
    version = spec["versions"][0]
    columns = [one["name"] for one in version["additionalPrinterColumns"] if not one.get("priority")]
    yield (
        f"`apiVersion: {spec['group']}/{version['name']}`. `{command}` shows {', '.join(columns).lower()}; "
        "`-o wide` the message too.\n"
    )
    properties = _schema(spec)["properties"]
    for part, told in (("spec", "What you write:"), ("status", "What the controller writes:")):
        yield f"{told}\n"
        yield _FIELDS + "".join(_rows(part, properties[part]))
    rules = list(dict.fromkeys(_rules("spec", properties["spec"])))
    if rules:
        yield "Rules over several fields, which the API server holds:\n"
        yield "".join(f"- {rule}\n" for rule in rules)


def _rows(path: str, schema: Schema) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, child in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        default = _code(child["default"]) if "default" in child and child["type"] != "object" else ""
        told = " ".join(str(child.get("description", "")).split())
        told = " ".join(filter(None, [told, _limits(child)])).replace("|", "\\|").replace("<", "&lt;")
        if name in required:
            default = "required"
        yield f"| `{here}` | {_type(child)} | {default} | {told} |\n"
        yield from _rows(f"{here}[]" if child.get("type") == "array" else here, child.get("items", child))


def _type(schema: Schema) -> str:
    if schema.get("type") == "array":
        return f"list of {_type(schema['items'])}"
    return str(schema.get("format") or {"string": "text"}.get(schema["type"], schema["type"]))


def _code(value: Any) -> str:
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _limits(schema: Schema) -> str:
    """What the schema itself bounds, in words."""
    said = []
    if "enum" in schema:
        said.append("One of " + ", ".join(_code(one) for one in schema["enum"]) + ".")
    if "minimum" in schema and "maximum" in schema:
        said.append(f"{schema['minimum']} to {schema['maximum']}.")
    elif "minimum" in schema:
        said.append(f"At least {schema['minimum']}.")
    for key, what in (("maxLength", "characters"), ("maxItems", "entries")):
        if key in schema:
            said.append(f"At most {schema[key]} {what}.")
    return " ".join(said)


def _rules(path: str, schema: Schema) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"`{path}`: {str(rule['message']).replace('<', '&lt;')}"
    for name, child in schema.get("properties", {}).items():
        yield from _rules(f"{path}.{name}", child)
    if "items" in schema:
        yield from _rules(f"{path}[]", schema["items"])


def commands() -> str:
    """The page of the commands: what each does, its arguments and options, and its examples."""
    parts = [
        _MADE.format("issuer/cli"),
        "# Commands and options\n",
        "What they are for, and their exit codes: [cli.md](../cli.md). `--help` says the same.\n",
        *_command("vault-issuer", typer.main.get_command(app)),
    ]
    return "\n".join(parts)


def _command(name: str, command: Any) -> Iterator[str]:
    inner = getattr(command, "commands", {})
    if not inner:
        yield f"## {name}\n"
        yield _help(command.help or "")
        yield from _parameters(command.params)
    for below, one in sorted(inner.items()):
        yield from _command(f"{name} {below}", one)


def _help(text: str) -> str:
    """A docstring as Markdown: its indented lines are examples."""
    told, examples = [], []
    for block in blocks(text):
        if is_example(block):
            examples += [line.strip() for line in block if line.startswith("  ")]
        else:
            told.append(" ".join(" ".join(block).split()).replace("<", "&lt;"))
    shown = "```\n" + "\n".join(examples) + "\n```\n" if examples else ""
    return "\n\n".join(told) + "\n" + (f"\n{shown}" if shown else "")


def _parameters(parameters: Sequence[Any]) -> Iterator[str]:
    rows = [_parameter(one) for one in parameters if one.name != "help"]
    if rows:
        yield "| option | default | meaning |\n|---|---|---|\n" + "".join(rows)


def _parameter(one: Any) -> str:
    if one.param_type_name == "argument":
        name = f"`{argument_name(one)}`"
    else:
        name = ", ".join(f"`{word}`" for word in [*one.opts, *one.secondary_opts])
        if one.metavar and not one.is_flag:
            name += f" `{one.metavar}`"
    default = "required" if one.required else f"`{default_value(one)}`" if default_value(one) else ""
    told = " ".join(str(getattr(one, "help", None) or "").split()).replace("|", "\\|").replace("<", "&lt;")
    if one.envvar:
        told += f" Also by the variable `{one.envvar}`."
    values = possible_values(one)
    if values:
        told += f" {values.capitalize()}." if one.type_descriptor.is_ranged else f" One of {values}."
    return f"| {name} | {default} | {told} |\n"


if __name__ == "__main__":
    sys.exit(main())
