"""docs/reference: what is made from the code is what the code says now."""

from __future__ import annotations

from tools import reference


def test_the_reference_is_what_the_code_says() -> None:
    assert [path.name for path, text in reference.made().items() if path.read_text() != text] == []


def test_every_field_of_the_issuers_and_every_option_of_the_controller_is_in_it() -> None:
    resources, commands = reference.made().values()
    for field in ("spec.vault.auth.appRole.roleId", "spec.rateLimit.perSecond", "status.caNotAfter"):
        assert f"| `{field}` |" in resources
    for option in ("`--shards` | `0`", "`--leader-elect`, `--no-leader-elect` | `--leader-elect`"):
        assert f"| {option} |" in commands
    assert "## vault-issuer policy explain" in commands
