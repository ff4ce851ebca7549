"""Machines that are enrolled, as their policies tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from issuer.agent.login.ticket import HOST_PREFIX
from issuer.enrolment.host import HostRecord
from issuer.pki.server.calls import VaultCalls
from issuer.pki.server.tokens import refusal_of


@dataclass(frozen=True, slots=True)
class EnrolledHost:
    """One machine. `secret_ids` are unused ones; None if they may not be listed."""

    record: HostRecord
    secret_ids: int | None

    @property
    def state(self) -> str:
        """Return one word: Locked, Enrolled, or NoSecretId if only its token keeps it going."""
        if self.record.locked:
            return "Locked"
        return "NoSecretId" if self.secret_ids == 0 else "Enrolled"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        record = self.record
        return {
            "host": record.host,
            "state": self.state,
            "mount": record.mount,
            "dnsNames": list(record.dns_names),
            "ipAddresses": list(record.ip_addresses),
            "appRole": record.app_role_path,
            "certificateLogin": record.cert_path or None,
            "secretIds": self.secret_ids,
        }


async def enrolled_hosts(calls: VaultCalls) -> list[EnrolledHost]:
    """Return all machines, by name. Raises PkiError."""
    listed = await calls.read("sys/policies/acl/")
    if listed.refused is not None:
        raise await refusal_of(calls, "sys/policies/acl", listed.refused, "it needs list there")
    names = [str(one) for one in (listed.data or {}).get("keys", []) if str(one).startswith(HOST_PREFIX)]
    reads = await calls.read_all([f"sys/policies/acl/{name}" for name in names])
    records = [HostRecord.of_policy(str((read.data or {}).get("policy", ""))) for read in reads.values()]
    hosts = []
    for record in sorted((one for one in records if one is not None), key=lambda one: one.host):
        ids = await calls.read(f"{record.app_role_path}/secret-id/")
        count = None if ids.refused is not None else len((ids.data or {}).get("keys", []))
        hosts.append(EnrolledHost(record, count))
    return hosts
