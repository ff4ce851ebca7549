"""One export: read Vault, build the file, and plan it against the same Vault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from issuer.pki.errors import PkiError
from issuer.pki.export.building import build
from issuer.pki.export.choice import ExportChoice
from issuer.pki.export.document import ExportDocument
from issuer.pki.export.reading import read_for_export
from issuer.pki.export.text import yaml_text
from issuer.pki.file.model import Part
from issuer.pki.file.reading import load_texts
from issuer.pki.plan.desired import resources_of
from issuer.pki.plan.fields import questions
from issuer.pki.plan.planning import PkiPlan, PlanInput, plan_of
from issuer.pki.plan.reading import read_for
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.connecting import connected, connection_from, token_from
from issuer.pki.server.state import check_state

_FOUNDATION = Part.FOUNDATION.value
_HEAD = "Exported by vault-issuer pki export, which only reads Vault. No key, token or password is in it."
_KEYS = "Applied to another Vault it makes new CAs with new keys: Vault gives no key away."

_NOTHING: Final = (
    "There is nothing to export: no PKI mount is there, and no policy or auth method is chosen. Nothing was "
    "written; look for another server or namespace in VAULT_ADDR and VAULT_NAMESPACE, or name --prefix or "
    "--auth"
)


@dataclass(frozen=True, slots=True)
class PkiExport:
    """The texts by part, what the file could not tell, and the plan of the texts against the same Vault.

    `variables` have to be set before the file is used: names with what each holds.
    """

    foundation: str
    rest: str
    whole: str
    left_out: tuple[str, ...]
    variables: Mapping[str, str]
    plan: PkiPlan
    counts: Mapping[str, int]

    @property
    def differences(self) -> tuple[str, ...]:
        """Steps and problems that the plan would have; mostly none."""
        steps = (*self.plan.applied, *self.plan.left)
        return (*self.plan.problems, *(f"{one.action.value} {one.kind} {one.path}" for one in steps))

    @property
    def is_whole(self) -> bool:
        """True if nothing was left out and the plan is empty."""
        return not (self.left_out or self.differences)


async def export(
    environment: Mapping[str, str], choice: ExportChoice, told: Callable[[str], None]
) -> PkiExport:
    """Export what is chosen; `told` gets lines of progress. Raises BadInput, PkiError."""
    connection, token = connection_from(environment), token_from(environment)
    async with connected(connection) as client:
        await check_state(client)
        calls = VaultCalls(client, token)
        document = build(await read_for_export(calls, choice, told), choice)
        counts = _counts(document)
        if not any(counts.values()):
            raise PkiError(_NOTHING)
        told("planning the file")
        texts = _texts(document)
        return PkiExport(
            *texts,
            left_out=tuple(document.left_out),
            variables=document.variables,
            plan=await _planned(calls, texts[2], document),
            counts=counts,
        )


def _texts(document: ExportDocument) -> tuple[str, str, str]:
    head = "\n".join((_HEAD, _KEYS, *_variables(document)))
    data = document.data
    apart = {"version": data["version"], _FOUNDATION: data.get(_FOUNDATION, {})}
    rest = {key: value for key, value in data.items() if key != _FOUNDATION}
    return yaml_text(document, apart, head), yaml_text(document, rest, head), yaml_text(document, data, head)


def _variables(document: ExportDocument) -> list[str]:
    if not document.variables:
        return []
    listed = [f"  {name}: {what}" for name, what in document.variables.items()]
    return ["Set before use, since Vault doesn't give it back:", *listed]


async def _planned(calls: VaultCalls, text: str, document: ExportDocument) -> PkiPlan:
    unknown = dict.fromkeys(document.variables, "unknown")
    loaded = load_texts([("the exported file", text.encode())], unknown, Path())
    resources = tuple(resources_of(loaded.file, loaded.places))
    given = PlanInput(loaded.file, loaded.places, resources, loaded.sha256)
    reading = await read_for(calls, given)
    offers = await calls.help_all(questions(resources, reading))
    return plan_of(given, reading, offers, datetime.now(UTC))


def _counts(document: ExportDocument) -> dict[str, int]:
    data, apart = document.data, document.data.get(_FOUNDATION, {})
    return {
        "mounts": len(data.get("mounts", {})) + len(apart.get("mounts", {})),
        "authorities": len(data.get("authorities", {})) + len(apart.get("authorities", {})),
        "policies": len(apart.get("policies", {})),
        "auth methods": len(apart.get("auth", {})),
    }
