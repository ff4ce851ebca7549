"""The reference of `pki.yaml`, made from its models and from what is known of Vault's own fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from issuer.pki.file.schema import model_schema
from issuer.pki.resources import defaults
from issuer.pki.resources.known_fields import KNOWN

Schema = Mapping[str, Any]

_ABOUT = """\
The file of `vault-issuer pki`: [first steps](../first-ca.md), [ready examples](../pki-examples.md). Keys that
are not here are refused, with file and line. Several files are merged in their order
(`-f pki.yaml -f prod.yaml`): maps by key, anything else replaced, `null` removes. `${NAME}` stands for an
environment variable, in keys, too; `$${NAME}` for the text itself. Lifetimes are seconds, or text such as
`90m`, `720h` or `30d`. Values are read as YAML 1.2 has them: `NO`, `01234` and `1.10` are text as they stand
there, truth values are `true` and `false`. `<<: *name` merges a map with an anchor.

For editors: [pki.schema.json](pki.schema.json), and [pki-overlay.schema.json](pki-overlay.schema.json) for a
file that lies over another. An editor with yaml-language-server (VS Code's YAML extension, and others) takes
them by a comment at the head of a file, with a path or an address:

```yaml
# yaml-language-server: $schema=pki.schema.json
```

`vault-issuer pki schema` prints the first, `--overlay` the second. Variables may stand in keys and values.
Vault's own fields are completed with their defaults, and any other name is let pass: whether this server has
it, and contradictions between values, are for `plan`.
"""
_VAULTS = """\
Maps that hold Vault's own fields take those that the server has: its own help is asked, and where it can't be
(the mount isn't there yet), these of OpenBao 2.7.2 and Vault 1.21 count. A field that the file leaves out has
the default in brackets, not what somebody set by hand; of fields without one, and of a map that the file
leaves out as a whole, nothing is said and nothing is changed.
"""
_FIELDS = "| field | type | default | meaning |\n|---|---|---|---|\n"
_MODELS: Final = (
    ("PkiFile", "The file", ""),
    ("Foundation", "`foundation`", "foundation."),
    ("PkiMount", "A mount: `mounts.PATH`, `foundation.mounts.PATH`", ""),
    ("Authority", "A CA: `authorities.NAME`, `foundation.authorities.NAME`", ""),
    ("PolicyText", "A policy: `foundation.policies.NAME`", ""),
    ("AuthMount", "An auth method: `foundation.auth.PATH`", ""),
    ("AuditDevice", "An audit device: `foundation.audit.PATH`", ""),
    ("ExpectedWarning", "A warning: `expectWarnings[]`", ""),
)
_SEPARATE: Final = frozenset(name for name, _, _ in _MODELS)
_KINDS: Final[tuple[tuple[str, str, Mapping[str, Any]], ...]] = (
    ("mount", "`tune` of a mount", {}),
    ("pki/roles", "`roles.NAME` of a mount", defaults.ROLE),
    ("pki/issuer", "`settings` of a CA", defaults.ISSUER),
    ("pki/config/cluster", "`cluster`", defaults.CLUSTER),
    ("pki/config/urls", "`urls`", defaults.URLS),
    ("pki/config/crl", "`crl`", defaults.CRL),
    ("pki/config/auto-tidy", "`autoTidy`", defaults.AUTO_TIDY),
    ("pki/config/acme", "`acme`", defaults.ACME),
    ("auth method", "`tune` of an auth method", {}),
    *(
        (
            kind,
            f"`{part}` of an auth method of type `{type_}`",
            defaults.AUTH_CONFIG[type_] if part == "config" else defaults.AUTH_ROLE[type_],
        )
        for kind, type_, part in (
            ("kubernetes/config", "kubernetes", "config"),
            ("kubernetes/role", "kubernetes", "roles.NAME"),
            ("approle/role", "approle", "roles.NAME"),
            ("cert/config", "cert", "config"),
            ("cert/certs", "cert", "roles.NAME"),
            ("jwt/config", "jwt", "config"),
            ("jwt/role", "jwt", "roles.NAME"),
        )
    ),
)


def pki_file() -> str:
    """Return the page, without its first line."""
    schema = model_schema()
    models = {"PkiFile": schema, **schema["$defs"]}
    parts = ["# The file pki.yaml\n", _ABOUT]
    for name, title, prefix in _MODELS:
        parts += [f"## {title}\n", _FIELDS + "".join(_rows(models, models[name], prefix))]
    parts += ["## Vault's own fields\n", _VAULTS, "| where | fields |\n|---|---|\n" + "".join(_own())]
    return "\n".join(parts)


def _rows(models: Mapping[str, Schema], model: Schema, prefix: str) -> Iterator[str]:
    required = set(model.get("required", ()))
    for name, field in model["properties"].items():
        if prefix + name == "foundation.":
            continue
        here, below = f"{prefix}{name}", _model(field)
        default = "required" if name in required else _default(field)
        told = " ".join([str(field.get("description", "")), *_limits(field)]).strip()
        yield f"| `{here}` | {_type(field)} | {default} | {told.replace('|', chr(92) + '|')} |\n"
        if below and below not in _SEPARATE:
            yield from _rows(models, models[below], f"{here}.")


def _model(field: Schema) -> str:
    """Return the name of the model that a field holds, itself or unless it is null; "" if it holds none."""
    for one in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
        if "$ref" in one:
            return str(one["$ref"]).rpartition("/")[2]
    return ""


def _default(field: Schema) -> str:
    value = field.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _type(field: Schema) -> str:
    kinds = [one for one in field.get("anyOf", (field,)) if one.get("type") != "null"]
    return " or ".join(dict.fromkeys(_one_type(one) for one in kinds))


def _one_type(field: Schema) -> str:
    if "const" in field or "enum" in field:
        return "number" if isinstance(field.get("const"), int) else "text"
    if field.get("type") == "array":
        return f"list of {_one_type(field['items'])}"
    if _model(field) or field.get("type") == "object":
        return "map"
    return {"string": "text", "integer": "number", "boolean": "boolean"}.get(field.get("type", ""), "map")


def _limits(field: Schema) -> Iterator[str]:
    if "enum" in field:
        yield f"One of {', '.join(f'`{one}`' for one in field['enum'])}."


def _own() -> Iterator[str]:
    for kind, where, known in _KINDS:
        fields = (f"`{name}`{_vaults_default(known, name)}" for name in sorted(KNOWN[kind]))
        yield f"| {where} | {', '.join(fields)} |\n"


def _vaults_default(known: Mapping[str, Any], name: str) -> str:
    if name not in known:
        return ""
    value = known[name]
    shown = ", ".join(value) if isinstance(value, list) else str(value)
    return f" ({shown.lower() if isinstance(value, bool) else shown or 'empty'})"
