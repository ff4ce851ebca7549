"""A secret ID, wrapped, and the ticket that the machine is given."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from issuer.agent.login.ticket import ServerTrust, Ticket
from issuer.enrolment.host import HostRecord
from issuer.pki.errors import PkiError
from issuer.pki.secret import SecretText
from issuer.pki.server.calls import VaultCalls, translated
from issuer.text import parse_rfc3339, rfc3339
from issuer.vault.errors import VaultError
from issuer.vault.transport import VaultClient


@dataclass(frozen=True, slots=True)
class GivenTicket:
    """A ticket, and the accessor of its secret ID, by which an administrator can destroy it unseen."""

    ticket: Ticket = field(repr=False)
    accessor: str

    @property
    def command(self) -> str:
        """The line to type on the machine. `echo` is the shell's own: no list of processes shows the line."""
        return f"echo {self.ticket.line()} | vault-issuer agent join"


@dataclass(frozen=True, slots=True)
class GivenServer:
    """The server as a machine reaches it, and how it trusts it. `root_fingerprint` is of the mount's root."""

    server: str
    server_name: str
    namespace: str
    root_fingerprint: str
    trust: ServerTrust
    ca: str


async def destroy_secret_ids(calls: VaultCalls, record: HostRecord) -> int:
    """Destroy all secret IDs of a machine, wrapped ones too; returns how many there were."""
    found = await secret_id_accessors(calls, record)
    for accessor in found:
        await calls.write(
            f"{record.app_role_path}/secret-id-accessor/destroy", {"secret_id_accessor": accessor}
        )
    return len(found)


async def secret_id_accessors(calls: VaultCalls, record: HostRecord) -> list[str]:
    """Return the accessors of a machine's secret IDs."""
    role = await calls.read(record.app_role_path)
    if role.refused is not None:
        raise PkiError(f"The token may not read {record.app_role_path}: {role.refused}")
    if role.data is None:  # removed; its list would be an error
        return []
    read = await calls.read(f"{record.app_role_path}/secret-id/")
    if read.refused is not None:
        raise PkiError(f"The token may not list {record.app_role_path}/secret-id: {read.refused}")
    return [str(one) for one in (read.data or {}).get("keys", [])]


async def give_ticket(
    client: VaultClient, calls: VaultCalls, token: SecretText, record: HostRecord, wish: GivenWish
) -> GivenTicket:
    """Make a wrapped secret ID and return the ticket. Raises PkiError."""
    role = (await calls.read(f"{record.app_role_path}/role-id")).data or {}
    path = f"{record.app_role_path}/secret-id"
    body = {"metadata": json.dumps({"host": record.host})}
    headers = {"X-Vault-Wrap-TTL": f"{int(wish.wrap_ttl.total_seconds())}s"}
    try:
        answer: Any = await client.adapter(token.reveal()).post(f"/v1/{path}", json=body, headers=headers)
    except VaultError as error:
        raise translated(error) from error
    wrap = answer.get("wrap_info") if isinstance(answer, dict) else None
    if not isinstance(wrap, dict) or "role_id" not in role:
        raise PkiError("Vault's answer holds no wrapped secret ID")
    made = _time(str(wrap.get("creation_time", "")))
    server = wish.server
    ticket = Ticket.model_validate(
        {
            "server": server.server,
            "serverName": server.server_name,
            "namespace": server.namespace,
            "host": record.host,
            "mount": record.mount,
            "path": f"{record.mount}/sign/{record.name}",
            "dnsNames": record.dns_names,
            "ipAddresses": record.ip_addresses,
            "ttlSeconds": int(wish.ttl.total_seconds()),
            "appRoleMount": record.app_role_mount,
            "roleName": record.name,
            "roleId": str(role["role_id"]),
            "certMount": record.cert_mount,
            "rootFingerprint": server.root_fingerprint,
            "trust": server.trust,
            "ca": server.ca,
            "wrapped": str(wrap["token"]),
            "creationPath": path,
            "deadline": rfc3339(made + timedelta(seconds=int(wrap["ttl"]))),
        }
    )
    return GivenTicket(ticket, str(wrap.get("wrapped_accessor") or ""))


@dataclass(frozen=True, slots=True)
class GivenWish:
    """Lives of the certificates and of the ticket, and the server."""

    server: GivenServer
    ttl: timedelta
    wrap_ttl: timedelta


def _time(text: str) -> datetime:
    """Return a time of Vault's, which has nanoseconds."""
    try:
        return parse_rfc3339(f"{text[:19]}Z") if text.endswith("Z") else datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC)
