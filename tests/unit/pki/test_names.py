"""Names that Vault takes otherwise than they are written: told, and never pruned for that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from issuer.manifests.errors import BadInput
from issuer.pki.file.reading import BOTH_PARTS, load_texts
from issuer.pki.plan.planning import PkiPlan, plan_of
from issuer.pki.plan.show import summary
from issuer.pki.plan.step import StepAction
from issuer.pki.resources.values import same
from issuer.pki.server.reading import PathRead, VaultReading
from issuer.pki.session import plan_input

SIGN = "{text: 'path \"a\" {}'}"


def planned(text: str, answers: Mapping[str, object]) -> PkiPlan:
    loaded = load_texts([("pki.yaml", text.encode())], {}, Path())
    given = plan_input(loaded, BOTH_PARTS, prune=True)
    reading = VaultReading({path: PathRead(dict(one)) for path, one in answers.items()})  # type: ignore[call-overload]
    return plan_of(given, reading, {}, datetime(2026, 11, 27, tzinfo=UTC))


def removed(text: str, answers: Mapping[str, object]) -> list[str]:
    return [one.path for one in planned(text, answers).steps if one.action is StepAction.REMOVE]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "mounts: {pki: {}, pki/int: {}}",
            "1 mounts.pki/int: Vault takes no mount inside",
        ),
        (
            "mounts: {pki/int: {}, pki: {}}",
            "1 mounts.pki: Vault takes no mount inside",
        ),
        (
            "mounts: {pki/int: {}}\nfoundation: {mounts: {pki: {}}}",
            "1 mounts.pki/int: Vault takes no mount inside of another, and pki is one",
        ),
        ("mounts: {sys: {}}", "mounts.sys: sys is a path of Vault's own"),
        ("mounts: {identity/pki: {}}", "mounts.identity/pki: identity is a path of Vault's own"),
        ("foundation: {auth: {token: {type: approle}}}", "foundation.auth.token: token is a path of Vault's"),
        ("foundation: {auth: {a: {type: approle}, a/b: {type: jwt}}}", "foundation.auth.a/b: Vault takes no"),
        (f"foundation: {{policies: {{Root: {SIGN}}}}}", "foundation.policies.Root: Vault lets nobody write"),
        (
            f"foundation: {{policies: {{Web: {SIGN}, web: {SIGN}}}}}",
            "policies.web: Vault keeps names of",
        ),
        (
            "foundation: {auth: {a: {type: approle, roles: {Web: {}, WEB: {}}}}}",
            "foundation.auth.a.roles.WEB: Vault keeps names of auth roles in lower case, so it is Web again",
        ),
    ],
)
def test_names_that_vault_does_not_take_are_told_with_their_line(text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_texts([("pki.yaml", text.encode())], {}, Path())
    assert said in str(caught.value)


def test_names_that_only_look_alike_are_taken() -> None:
    text = "mounts: {pki: {roles: {Web: {}, web: {}}}, pki_int: {}, pki-2/a: {}, pki-2/ab: {}}"
    load_texts([("pki.yaml", text.encode())], {}, Path())


OWNED = f"""\
prefix: Web
foundation:
  policies: {{Web-Sign: {SIGN}}}
  auth: {{k: {{type: kubernetes, roles: {{Web-Pod: {{}}}}}}}}
mounts: {{pki: {{exclusive: true, roles: {{Web: {{}}}}}}}}
"""


def test_what_vault_lists_in_lower_case_is_not_pruned() -> None:
    answers = {
        "sys/mounts": {"pki/": {"type": "pki"}},
        "sys/auth": {"k/": {"type": "kubernetes"}},
        "sys/policies/acl/": {"keys": ["default", "web-sign", "web-old", "other"]},
        "auth/k/role/": {"keys": ["web-pod", "web-old"]},
        "pki/roles/": {"keys": ["Web", "web"]},
    }
    assert removed(OWNED, answers) == ["pki/roles/web", "sys/policies/acl/web-old", "auth/k/role/web-old"]


TEAM = f"""\
prefix: team
foreignPrefixes: [team-b]
foundation:
  policies: {{team-sign: {SIGN}}}
  auth: {{k: {{type: kubernetes, roles: {{team: {{}}}}}}}}
"""
TEAM_B = f"{{prefix: team-b-, foundation: {{policies: {{team-b-sign: {SIGN}}}}}}}"


def test_a_file_prunes_nothing_of_one_whose_prefix_begins_with_its_own() -> None:
    names = ["team-sign", "team-old", "team_old", "team-b-sign", "team-b-old", "team-bc", "teamwork", "other"]
    answers = {"sys/policies/acl/": {"keys": names}, "sys/auth": {"k/": {"type": "kubernetes"}}}
    answers["auth/k/role/"] = {"keys": ["team", "team-b", "team-b-web", "team-web", "teamwork"]}
    folder = "sys/policies/acl"
    own = [f"{folder}/team-bc", f"{folder}/team-old", f"{folder}/team_old", "auth/k/role/team-web"]
    assert removed(TEAM, answers) == own
    assert removed(TEAM_B, answers) == [f"{folder}/team-b-old"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("team-sign:", "teamwork:", "doesn't begin with the file's prefix team and a separator (- _ .)"),
        ("team-sign:", "team-b-sign:", "has the prefix team-b of another file (foreignPrefixes)"),
        (
            "[team-b]",
            "[other-]",
            "pki.yaml:2 foreignPrefixes.0: other- doesn't go on from the file's prefix team",
        ),
        (
            "[team-b]",
            "[team]",
            "foreignPrefixes.0: team doesn't go on from the file's prefix team: it is left",
        ),
        (
            "prefix: team\n",
            "",
            "pki.yaml:1 foreignPrefixes.0: team-b doesn't go on from the file's prefix, as it",
        ),
    ],
)
def test_names_are_the_files_by_its_prefix_alone(old: str, new: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        load_texts([("pki.yaml", TEAM.replace(old, new).encode())], {}, Path())
    assert said in str(caught.value)


def test_a_mount_around_a_new_one_in_vault_is_told_before_anything_is_sent() -> None:
    tables = {"sys/mounts": {"pki/": {"type": "kv"}, "deep/pki/x/": {"type": "kv"}}, "sys/auth": {}}
    plan = planned("mounts: {pki/int: {}, deep/pki: {}}", tables)
    assert str(summary(plan)).startswith("Nothing to do beside what is refused; ")
    assert [one.partition(", and takes none")[0] for one in plan.problems] == [
        "pki.yaml:1 sys/mounts/pki/int can't be made: Vault has a mount at pki",
        "pki.yaml:1 sys/mounts/deep/pki can't be made: Vault has a mount at deep/pki/x",
    ]


def test_policies_of_a_login_are_equal_in_any_case() -> None:
    assert same("token_policies", ["Web-Sign", "b", "b"], ["b", "web-sign"])
    assert not same("token_policies", ["Web-Sign"], ["web-signs"])
    assert not same("allowed_domains", ["A.test"], ["a.test"])
