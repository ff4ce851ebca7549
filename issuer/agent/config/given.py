"""An `agent.yaml` made of a command's options, for one set and no file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from issuer.agent.config.model import AgentFile
from issuer.agent.config.reading import checked_agent_file
from issuer.agent.config.state import state_folder
from issuer.manifests.errors import BadInput
from issuer.vault.environment import BadVariable, address_from, variable

_IN_A_FILE: Final = "write it into a file, and name that by VAULT_CACERT"
_BY_FILE: Final = "the agent sends no client certificate but for a login of an agent.yaml"
_BY_PROCESS: Final = "set HTTPS_PROXY"
UNHEEDED_FOR_ONE_SET: Final[Mapping[str, str]] = {
    "CACERT_BYTES": _IN_A_FILE,
    "CAPATH": "name the file of one CA by VAULT_CACERT",
    "CLIENT_CERT": _BY_FILE,
    "CLIENT_KEY": _BY_FILE,
    "CLIENT_TIMEOUT": "an answer is waited for as long as ever",
    "HTTP_PROXY": _BY_PROCESS,
    "PROXY_ADDR": _BY_PROCESS,
    "TOKEN": "name a file by --token-file",
}
"""Variables of `vault` that an `agent.yaml` made of options doesn't obey, with what holds instead."""


@dataclass(frozen=True, slots=True)
class GivenSet:
    """One set by options: with `path` a certificate, with `mount` a CA chain."""

    folder: Path
    path: str = ""
    dns_names: tuple[str, ...] = ()
    ttl: str = ""
    token_file: Path | None = None
    mount: str = ""
    root_fingerprint: str = ""

    def agent_file(self, environment: Mapping[str, str], ca_file: Path | None) -> AgentFile:
        """Return it, with the server that VAULT_ADDR and VAULT_NAMESPACE name. Raises BadInput."""
        vault: dict[str, Any] = {"server": address(environment)}
        if ca_file is not None:
            vault["caFile"] = str(ca_file)
        if name := variable(environment, "TLS_SERVER_NAME"):
            vault["serverName"] = name
        if namespace := variable(environment, "NAMESPACE"):
            vault["namespace"] = namespace
        data: dict[str, Any] = {"vault": vault}
        kept: dict[str, Any] = {"name": "given", "folder": str(self.folder)}
        if self.mount:
            kept["mount"] = self.mount
            if self.root_fingerprint:
                kept["rootFingerprint"] = self.root_fingerprint
            data["caChains"] = [kept]
        else:
            if self.token_file is None:
                raise BadInput("--token-file is required with --path: certificates are signed for a token")
            vault["login"] = {"token": {"file": str(self.token_file)}}
            kept |= {"path": self.path, "dnsNames": list(self.dns_names)}
            if self.ttl:
                kept["ttl"] = self.ttl
            data["certificates"] = [kept]
        state = state_folder(None, environment, str(self.folder))
        return checked_agent_file("the options", yaml.safe_dump(data).encode(), state)


def address(environment: Mapping[str, str]) -> str:
    """Return the server of BAO_ADDR or VAULT_ADDR. Raises BadInput."""
    try:
        return address_from(environment)
    except BadVariable as error:
        raise BadInput(str(error)) from error
