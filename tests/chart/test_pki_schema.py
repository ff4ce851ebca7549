"""Schemas of pki.yaml, as Helm's validator (draft 2020-12) judges by them: all cases in one run of Helm.

A file that a schema refuses is refused by `vault-issuer pki`, too, which alone sees contradictions.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from issuer.manifests.errors import BadInput
from issuer.pki.file.reading import load
from issuer.pki.plan.editors import editor_schema
from testbed.chart import ChartError, run_helm
from testbed.cluster import REPOSITORY
from tests.pki.files import IMPORTED, OFFLINE, TWO_TIER

EXAMPLES: Final = REPOSITORY / "config" / "pki"
OVERLAYS: Final = ("offline-root/prod.yaml", "offline-root/test.yaml")
_TYPED: Final = re.compile(r"cat > pki\.yaml <<'EOF'\n(.*?)\nEOF\n", re.DOTALL)
WRONG: Final = {
    "unknown key": ("exclusive: true", "exclusiv: true"),
    "unknown key in a grant": ("protect: [", "defend: ["),
    "no lifetime": ("lifetime: 87600h", "lifetime: soon"),
    "other version": ("version: 1", "version: 2"),
    "no name of an issuer": ("defaultIssuer: ${T}-int-2026", "defaultIssuer: int/2026"),
    "no name of a role": ("      web:\n        allowed", "      'web role':\n        allowed"),
    "no mount": ("  ${T}-int:\n    exclusive", "  '../int':\n    exclusive"),
    "kind of login": ("type: approle", "type: userpass"),
    "grant without a role": ('sign: ["${T}-int/web"]', "sign: [pki_int]"),
    "text for a list": ("organization: [Example]", "organization: Example"),
    "text for a number": ("maxPathLength: 1", "maxPathLength: one"),
    "negative number": ("maxPathLength: 1", "maxPathLength: -1"),
    "no such key type": ("key: {type: ec, bits: 256}", "key: {type: dsa}"),
    "empty name": ("commonName: Example Root CA", "commonName: ''"),
    "short prefix": ("version: 1", "prefix: a"),
    "no hash": ("      maxPathLength: 1\n", "      spkiSHA256: 00\n"),
    "two origins": ("    signedBy:", "    offline: {request: a, certificate: b}\n    signedBy:"),
    "existing and signed": ("    signedBy:", "    existing: true\n    signedBy:"),
    "no subject": ("      subject: {commonName: Example Root CA, organization: [Example]}\n", ""),
    "policy without rules": ("      generate: {sign:", "      description: {sign:"),
    "policy of both": ("      generate: {sign:", "      text: path\n      generate: {sign:"),
    "audit options": ("foundation:\n", "foundation:\n  audit: {file: {options: {a: [b]}}}\n"),
    "map for text": ("description: Root CA", "description: {a: b}"),
}  # fmt: skip
"""Changes of TWO_TIER that each make it wrong."""


def files() -> dict[str, Any]:
    """Every whole file that is shipped, typed on a page, or applied by tests."""
    shipped = [one for one in EXAMPLES.rglob("*.yaml") if str(one.relative_to(EXAMPLES)) not in OVERLAYS]
    shipped += (one for one in (REPOSITORY / "config").rglob("pki.yaml") if EXAMPLES not in one.parents)
    shipped += (REPOSITORY / "testbed" / "pki").iterdir()
    texts = {str(one.relative_to(REPOSITORY)): one.read_text() for one in shipped if one.suffix == ".yaml"}
    for page in sorted((REPOSITORY / "docs").glob("*.md")):
        texts.update({f"{page.name}-{at}": one for at, one in enumerate(_TYPED.findall(page.read_text()))})
    texts.update({"two-tier": TWO_TIER, "imported": IMPORTED, "offline": OFFLINE})
    return {name: yaml.safe_load(text) for name, text in texts.items()}


def changed(old: str, new: str) -> str:
    """TWO_TIER with a change."""
    assert old in TWO_TIER
    return TWO_TIER.replace(old, new, 1)


def refused(folder: Path, schema: dict[str, Any], documents: dict[str, Any]) -> set[str]:
    """Return the names of the documents that Helm refuses by a schema."""
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("{apiVersion: v2, name: pki, version: 0.0.1}")
    names = {f"case{at}": name for at, name in enumerate(documents)}
    each = {"type": "object", "additionalProperties": {"$ref": "#/$defs/file"}, "$defs": {"file": schema}}
    (folder / "values.schema.json").write_text(json.dumps(each))
    values = folder / "values.json"
    values.write_text(json.dumps(dict(zip(names, documents.values(), strict=True))))
    try:
        run_helm(["template", "pki", str(folder), f"--values={values}"])
    except ChartError as error:
        told = set(re.findall(r"\bcase\d+", str(error)))
        if not told:
            raise
        return {names[one] for one in told}
    return set()


def test_every_file_that_is_shipped_is_right_by_the_schema(tmp_path: Path) -> None:
    found = files()
    assert {"config/pki/homelab.yaml", "config/pki/offline-root/pki.yaml", "first-ca.md-0"} < set(found)
    assert refused(tmp_path / "pki", editor_schema(), found) == set()


def test_what_the_schema_refuses_is_refused_by_the_command(tmp_path: Path) -> None:
    texts = {name: changed(*change) for name, change in WRONG.items()}
    documents = {name: yaml.safe_load(text) for name, text in texts.items()}
    assert refused(tmp_path / "pki", editor_schema(), documents) == set(WRONG)
    file = tmp_path / "pki.yaml"
    for text in texts.values():
        file.write_text(text)
        with pytest.raises(BadInput):
            load([str(file)], {"T": "t"})


def test_an_overlay_needs_nothing_and_null_removes(tmp_path: Path) -> None:
    overlays = {name: (EXAMPLES / name).read_text() for name in OVERLAYS}
    overlays["parts"] = "authorities: {a: {lifetime: 1h}}\nfoundation: {auth: {k: {roles: {r: {ttl: 1h}}}}}"
    overlays["null"] = (
        "prefix: null\nmounts: {a: null, b: {description: null, acme: null, roles: {web: null}}}\n"
        "authorities: {a: {maxPathLength: null, signedBy: null, mount: null}}"
    )
    wrong = {"typo": "mounts: {a: {role: {}}}", "type": "authorities: {a: {lifetime: never}}"}
    documents = {name: yaml.safe_load(text) for name, text in {**overlays, **wrong}.items()}
    assert refused(tmp_path / "pki", editor_schema(overlay=True), documents) == set(wrong)


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.yaml")), ids=lambda one: one.name)
def test_an_example_names_its_schema_for_editors(file: Path) -> None:
    first = file.read_text().partition("\n")[0]
    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named
    schema = json.loads((file.parent / named[1]).read_text())
    is_overlay = str(file.relative_to(EXAMPLES)) in OVERLAYS
    assert schema == editor_schema(overlay=is_overlay)
    assert schema["$id"].endswith(f"/docs/reference/{Path(named[1]).name}")


def test_vaults_own_fields_are_completed_and_others_are_left_to_the_server(tmp_path: Path) -> None:
    kinds = editor_schema()["$defs"]
    (role,) = kinds["PkiMount"]["properties"]["roles"]["patternProperties"].values()
    assert role["properties"]["allow_ip_sans"] == {"default": True}
    assert "secret_id_ttl" in json.dumps(kinds["AuthMount"]["allOf"])
    newer = TWO_TIER.replace("token_ttl: 20m", "field_of_tomorrow: 1").replace("expiry: 3d", "another: x")
    assert refused(tmp_path / "pki", editor_schema(), {"newer": yaml.safe_load(newer)}) == set()
