"""docs/migrate.md: its example moves without anything left to do."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from issuer.migrate.read.cluster import READS
from tests.unit.migrate.conftest import Migrate

TEXT = (Path(__file__).parents[3] / "docs" / "migrate.md").read_text()
EXAMPLE, RIGHTS = re.findall(r"^```yaml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def test_the_example_needs_nothing_but_the_command(migrate: Migrate) -> None:
    done = migrate(*yaml.safe_load_all(EXAMPLE))
    assert done.code == 0
    assert done.changed("Certificate")["spec"]["issuerRef"]["kind"] == "VaultIssuer"


def test_the_role_for_planning_grants_list_of_what_is_read_and_no_more() -> None:
    role = yaml.safe_load(RIGHTS)
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list"}
    granted = {(rule["apiGroups"][0], resource) for rule in role["rules"] for resource in rule["resources"]}
    assert granted == {(one.group, one.plural) for one in READS}
