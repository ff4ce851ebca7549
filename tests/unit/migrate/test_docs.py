"""docs/migrate.md: its example moves without anything left to do."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.unit.migrate.conftest import Migrate

TEXT = (Path(__file__).parents[3] / "docs" / "migrate.md").read_text()


def test_the_example_needs_nothing_but_the_command(migrate: Migrate) -> None:
    (example,) = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    done = migrate(*yaml.safe_load_all(example))
    assert done.code == 0
    assert done.changed("Certificate")["spec"]["issuerRef"]["kind"] == "VaultIssuer"
