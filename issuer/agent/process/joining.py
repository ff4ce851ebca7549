"""A machine takes its ticket: the CA, `agent.yaml`, and its first secret ID, unwrapped."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from issuer.agent.config.login import AppRoleLogin
from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import checked_agent_file, load_agent_file
from issuer.agent.errors import AgentError
from issuer.agent.files.writing import write_file
from issuer.agent.login.contact import pinned_root
from issuer.agent.login.methods import secret_id_file, unwrapping_of
from issuer.agent.login.ticket import ServerTrust, Ticket, common_name
from issuer.agent.login.wrapped import WrappedSecretId
from issuer.agent.process.agent import connection_of
from issuer.agent.renewal.signing import server_time
from issuer.vault.connection import Connection
from issuer.vault.errors import VaultError
from issuer.vault.transport import VaultClient


@dataclass(frozen=True, slots=True)
class JoinPlaces:
    """Files of a machine: its configuration, and the folder of its certificate."""

    config: Path
    folder: Path

    @property
    def ca(self) -> Path:
        """The CA by which the server is trusted."""
        return self.config.parent / "vault-ca.pem"


async def write_configuration(ticket: Ticket, places: JoinPlaces) -> bool:
    """Write the CA, and `agent.yaml` if there is none; returns whether it was.

    The CA of a configuration that is there stays as it is unless that is this machine's, at this server, and
    names that file: it says which server is trusted. Raises AgentError and BadInput.
    """
    there = places.config.exists()
    if there:
        file = load_agent_file(str(places.config))
        _need_own(file, ticket)
        if file.vault.ca_file != places.ca:
            return False
    text = yaml.safe_dump(configuration(ticket, places), sort_keys=False).encode()
    checked_agent_file(f"{places.config}, as the ticket has it,", text)
    ca = await _ca(ticket)
    if ca is not None:
        write_file(places.ca, ca, 0o644)
    if there:
        return False
    write_file(places.config, text, 0o644)
    return True


def configuration(ticket: Ticket, places: JoinPlaces) -> dict[str, Any]:
    """Return the `agent.yaml` of a ticket."""
    login: dict[str, Any] = {
        "appRole": {"roleId": ticket.role_id, "roleName": ticket.role_name, "mount": ticket.app_role_mount}
    }
    if ticket.cert_mount:
        login["certificate"] = {
            "certificateFile": str(places.folder / "tls.crt"),
            "keyFile": str(places.folder / "tls.key"),
            "role": ticket.role_name,
            "mount": ticket.cert_mount,
        }
    vault: dict[str, Any] = {"server": ticket.server}
    if ticket.trust is not ServerTrust.SYSTEM:
        vault["caFile"] = str(places.ca)
    if ticket.server_name:
        vault["serverName"] = ticket.server_name
    if ticket.namespace:
        vault["namespace"] = ticket.namespace
    certificate: dict[str, Any] = {"name": ticket.host, "folder": str(places.folder), "path": ticket.path}
    if name := common_name(ticket.dns_names):
        certificate["commonName"] = name
    for key, names in (("dnsNames", ticket.dns_names), ("ipAddresses", ticket.ip_addresses)):
        if names:
            certificate[key] = list(names)
    certificate["ttl"] = f"{ticket.ttl_seconds}s"
    return {"vault": {**vault, "login": login}, "certificates": [certificate]}


async def take_secret_id(ticket: Ticket, file: AgentFile, state: Path) -> None:
    """Unwrap the ticket's secret ID and keep it for the first login.

    Raises AgentError if the configuration is another machine's, LoginRefused and other VaultErrors.
    """
    given = _need_own(file, ticket)
    wrapped = WrappedSecretId(ticket.wrapped, ticket.deadline, ticket.creation_path)
    client = VaultClient(connection_of(file.vault))
    try:
        unwrapping = unwrapping_of(file.vault, given, state)
        now = await _server_time(client)
        own = await unwrapping.unwrap(client, wrapped, now)
        secret_id_file(file.vault, given, state).write(own)
        unwrapping.spent(wrapped, now)
    finally:
        await client.close()


def _need_own(file: AgentFile, ticket: Ticket) -> AppRoleLogin:
    """Return the AppRole of a configuration. Raises AgentError if it isn't that of the ticket's machine."""
    given = None if file.vault.login is None else file.vault.login.app_role
    if given is None or given.role_name != ticket.role_name or file.vault.server != ticket.server:
        raise AgentError(
            f'The configuration is not that of "{ticket.host}" at {ticket.server}: give another one by -c, '
            f"or have appRole.roleName: {ticket.role_name} and vault.server: {ticket.server} in it"
        )
    return given


async def _server_time(client: VaultClient) -> datetime:
    try:
        return await server_time(client) or datetime.now(UTC)
    except VaultError:
        return datetime.now(UTC)


async def _ca(ticket: Ticket) -> bytes | None:
    match ticket.trust:
        case ServerTrust.SYSTEM:
            return None
        case ServerTrust.GIVEN:
            return ticket.ca.encode()
    connection = Connection(ticket.server, namespace=ticket.namespace or None)
    return await pinned_root(connection, ticket.mount, ticket.root_fingerprint)
