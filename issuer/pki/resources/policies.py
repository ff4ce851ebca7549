"""Policies: written in the file, or generated from grants."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from issuer.pki.file.access import Grants, PolicyText
from issuer.pki.file.model import Part, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources.pki_paths import PROTECTED, READABLE
from issuer.pki.resources.resource import FieldChange, Order, VaultResource
from issuer.pki.server.reading import VaultReading


@dataclass(frozen=True, slots=True)
class PolicyResource(VaultResource):
    """One policy: its text is compared without space around it."""

    def changes(self, current: Mapping[str, Any] | None) -> tuple[FieldChange, ...]:
        before = None if current is None else str(current.get("policy", ""))
        after = str(self.wanted["policy"])
        if before is not None and before.strip() == after.strip():
            return ()
        return (FieldChange("policy", before, after),)

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        return reading.data(self.path)


def policies(given: Mapping[str, PolicyText], places: Places) -> Iterator[PolicyResource]:
    """Yield the policies of the file."""
    for name, policy in given.items():
        text = policy.text if policy.text is not None else generated(policy.generate or Grants())
        yield PolicyResource(
            kind="policy",
            order=Order.POLICY,
            path=f"sys/policies/acl/{name}",
            place=places.of(*path_in_file(Part.FOUNDATION, "policies", name)),
            part=Part.FOUNDATION,
            wanted={"policy": text},
            method="PUT",
        )


def generated(grants: Grants) -> str:
    """Return the rules for grants, in HCL."""
    rules: dict[str, tuple[str, ...]] = {}
    # What the policy grants itself goes before what it protects; a denial wins over grants of other policies.
    for mount in grants.protect:
        rules.update({f"{mount}/{path}": ("deny",) for path in PROTECTED})
    for granted, verb in ((grants.sign, "sign"), (grants.issue, "issue")):
        for where in granted:
            mount, _, role = where.rpartition("/")
            rules[f"{mount}/{verb}/{role}"] = ("update",)
    for mount in grants.revoke:
        rules[f"{mount}/revoke"] = ("update",)
    for mount in grants.sign_intermediate:
        rules[f"{mount}/root/sign-intermediate"] = ("update",)
        rules[f"{mount}/issuer/+/sign-intermediate"] = ("update",)
    for mount in grants.read:
        rules.update({f"{mount}/{path}": verbs for path, verbs in READABLE.items()})
    return "".join(rule_text(path, verbs) for path, verbs in rules.items())


def rule_text(path: str, verbs: Iterable[str]) -> str:
    """Return one rule of a policy, in HCL."""
    listed = ", ".join(f'"{verb}"' for verb in verbs)
    return f'path "{path}" {{\n  capabilities = [{listed}]\n}}\n'
