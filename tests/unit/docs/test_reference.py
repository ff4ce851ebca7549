"""docs/reference: what is made from the code is what the code says now."""

from __future__ import annotations

from typing import Any

from issuer.pki.file.schema import model_schema
from issuer.pki.resources.known_fields import KNOWN
from tools import file_reference, pki_examples, reference


def test_the_reference_is_what_the_code_says() -> None:
    assert [path.name for path, text in reference.made().items() if path.read_text() != text] == []


def test_every_field_of_the_issuers_and_every_option_of_the_controller_is_in_it() -> None:
    made = reference.made()
    resources, commands = (made[reference.PAGES / name] for name in ("custom-resources.md", "cli.md"))
    for field in ("spec.vault.auth.appRole.roleId", "spec.rateLimit.perSecond", "status.caNotAfter"):
        assert f"| `{field}` |" in resources
    for option in ("`--shards` | `0`", "`--leader-elect`, `--no-leader-elect` | `--leader-elect`"):
        assert f"| {option} |" in commands
    assert "## vault-issuer policy explain" in commands


def test_every_field_of_the_file_and_every_kind_of_vaults_own_is_in_it() -> None:
    page = reference.made()[reference.PAGES / "pki.md"]
    for field in ("foundation.auth", "import.passphrase", "defaultIssuer", "generate.protect", "spkiSHA256"):
        assert f"| `{field}` |" in page
    for model in set(models()) - {"PkiFile"}:
        for name in models()[model]["properties"]:
            assert f"{name}` |" in page, (model, name)
    assert {kind for kind, _, _ in file_reference._KINDS} == set(KNOWN)
    assert "`allow_ip_sans` (true)" in page


def test_every_field_of_the_file_says_what_it_is() -> None:
    silent = [
        f"{model}.{name}"
        for model, schema in models().items()
        for name, field in schema["properties"].items()
        if not field.get("description") and "$ref" not in field
    ]
    assert silent == []


def test_each_example_tells_what_the_usual_commands_did() -> None:
    found = {
        one.relative_to(pki_examples.ROOT).as_posix(): list(pki_examples.tried_commands(one.read_text()))
        for one in (pki_examples.ROOT / "config" / "pki").rglob("*.yaml")
    }
    told = {name for name, commands in found.items() if commands}
    assert set(found) - told == {f"config/pki/offline-root/{name}.yaml" for name in ("prod", "test")}
    page = pki_examples.PAGE.read_text()
    assert all(f"from {name} -->\n| command |" in page for name in told)
    ignored = [one for one in found["config/pki/homelab.yaml"] if "is ignored" in one.did]
    assert [(one.was[-36:], one.key) for one in ignored] == [
        ("l … issuer_name=homelab-intermediate", "authorities.homelab-intermediate")
    ]


def models() -> dict[str, dict[str, Any]]:
    """The schema of each model of the file by its name."""
    schema = model_schema()
    return {"PkiFile": schema, **{name: one for name, one in schema["$defs"].items() if "properties" in one}}
