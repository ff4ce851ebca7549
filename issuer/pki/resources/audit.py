"""Audit devices: made by Vault's API; OpenBao has them in its configuration, so there they are checked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from issuer.pki.file.access import AuditDevice
from issuer.pki.file.model import Part, path_in_file
from issuer.pki.file.place import Places
from issuer.pki.resources.resource import Order, VaultResource
from issuer.pki.server.reading import VaultReading

TABLE = "sys/audit"


@dataclass(frozen=True, slots=True)
class AuditResource(VaultResource):
    """One audit device. A device that exists is never changed: it would lose what is logged meanwhile."""

    def reads(self) -> tuple[str, ...]:
        return (TABLE,)

    def current(self, reading: VaultReading) -> Mapping[str, Any] | None:
        entry = (reading.data(TABLE) or {}).get(f"{self.path.removeprefix(f'{TABLE}/')}/")
        return entry if isinstance(entry, Mapping) else None

    def differences(self, entry: Mapping[str, Any]) -> str:
        """Return in words what of a device that is there is not as in the file, "" if all is.

        A description that the file leaves out is not compared.
        """
        wanted, held = _flat(self.wanted), _flat(entry)
        return ", ".join(
            f"{name} is {held.get(name, '')!r}, and {value!r} in the file"
            for name, value in {**dict.fromkeys(held, ""), **wanted}.items()
            if held.get(name, "") != value and (value or name != "description")
        )


def audit_devices(devices: Mapping[str, AuditDevice], places: Places) -> Iterator[AuditResource]:
    """Yield the audit devices of the file."""
    for path, device in devices.items():
        yield AuditResource(
            kind="audit device",
            order=Order.AUDIT,
            path=f"{TABLE}/{path}",
            place=places.of(*path_in_file(Part.FOUNDATION, "audit", path)),
            part=Part.FOUNDATION,
            wanted={"type": device.type, "description": device.description, "options": device.options},
        )


def _flat(device: Mapping[str, Any]) -> dict[str, str]:
    """Return type, description and options of a device as texts."""
    options = {f"options.{name}": str(value) for name, value in (device.get("options") or {}).items()}
    return {**{name: str(device.get(name) or "") for name in ("type", "description")}, **options}


def stanza(path: str, device: AuditDevice) -> str:
    """Return the lines for OpenBao's configuration (https://openbao.org/docs/configuration/audit/)."""
    options = "".join(f'    {name} = "{_quoted(value)}"\n' for name, value in device.options.items())
    return (
        f'audit "{_quoted(device.type)}" "{_quoted(path)}" {{\n'
        f'  description = "{_quoted(device.description)}"\n'
        f"  options {{\n{options}  }}\n}}\n"
    )


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
