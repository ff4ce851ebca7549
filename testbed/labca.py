"""The testbed's CA: `testbed/pki/lab.yaml`, applied as `vault-issuer pki apply` does it.

`setup_pki` applies it in process, for tests; `LabCA.command` is the same as a command, for the demo.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from issuer.manifests.errors import BadInput
from issuer.pki.apply.applying import Applier
from issuer.pki.errors import PkiError
from issuer.pki.session import opened
from testbed.cluster import REPOSITORY, Testbed
from testbed.errors import TestbedError
from testbed.vaultclient import VaultClient
from testbed.vaultpki import DOMAIN, PkiLayout, reviewer_token

FOLDER: Final = Path(__file__).with_name("pki")
LAB, DEMO, KUBERNETES, SERVERS = (
    FOLDER / f"{name}.yaml" for name in ("lab", "demo", "kubernetes", "servers")
)


@dataclass(frozen=True, slots=True)
class LabCA:
    """Files of a CA, and the variables in them: names of the mounts, the role and the policy."""

    root_mount: str = "pki"
    mount: str = "pki_int"
    role: str = "lab"
    files: Sequence[Path] = (LAB,)
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def policy(self) -> str:
        """Name of the policy that may sign and revoke."""
        return f"{self.mount}-{self.role}"

    def environment(self, vault: VaultClient) -> dict[str, str]:
        """Return the variables of the files, and those that name the server."""
        return {
            "VAULT_ADDR": vault.addr,
            "VAULT_CACERT": str(vault.ca_file),
            "VAULT_TOKEN": vault.token,
            "PKI_ADDRESS": vault.addr,
            "ROOT_MOUNT": self.root_mount,
            "MOUNT": self.mount,
            "ROLE": self.role,
            "POLICY": self.policy,
            **self.variables,
        }

    @property
    def command(self) -> list[str]:
        """Words of the command, without the variables."""
        files = [word for file in self.files for word in ("-f", str(file.relative_to(REPOSITORY)))]
        return ["vault-issuer", "pki", "apply", "--yes", *files]

    def run_command(self, vault: VaultClient) -> str:
        """Run the command, and return the last line of what it prints. Raises TestbedError."""
        ran = subprocess.run(
            [sys.executable, "-m", "issuer", *self.command[1:]],
            cwd=REPOSITORY,
            env={**os.environ, "BAO_ADDR": "", "BAO_TOKEN": "", **self.environment(vault)},
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise TestbedError(f"{' '.join(self.command)} failed:\n{ran.stderr}")
        return ran.stdout.rstrip().rpartition("\n")[2]

    def apply(self, vault: VaultClient) -> None:
        """Apply the files in process. Raises TestbedError."""
        try:
            asyncio.run(self._apply(vault))
        except (BadInput, PkiError) as error:
            raise TestbedError(f"the CA can't be set up: {error}") from error

    async def _apply(self, vault: VaultClient) -> None:
        async with opened([str(file) for file in self.files], self.environment(vault)) as session:
            plan = await session.plan()
            await Applier(session.calls, session.loaded.file, session.files, lambda _: None).apply(plan)

    def layout(self, vault: VaultClient) -> PkiLayout:
        """Read the CAs, and return them with their names."""
        root, intermediate = f"{self.root_mount}-root", f"{self.mount}-intermediate"
        return PkiLayout(
            self.root_mount,
            self.mount,
            self.role,
            self.policy,
            _certificate(vault, self.root_mount, root),
            _certificate(vault, self.mount, intermediate),
            root,
            intermediate,
        )


def _certificate(vault: VaultClient, mount: str, issuer: str) -> str:
    return str(vault.read(f"{mount}/issuer/{issuer}")["certificate"]).strip() + "\n"


def setup_pki(
    vault: VaultClient,
    *,
    root_mount: str = "pki",
    mount: str = "pki_int",
    role: str = "lab",
    domains: Sequence[str] = (DOMAIN,),
    role_options: Mapping[str, Any] | None = None,
) -> PkiLayout:
    """Set up a root and an intermediate CA (EC P-256) with URLs, a role, and a policy that may sign by it.

    `role_options` are fields of the role beside those of `lab.yaml`, or in their place.
    """
    role_fields = {"allowed_domains": list(domains), **(role_options or {})}
    overlay = {"mounts": {"${MOUNT}": {"roles": {"${ROLE}": role_fields}}}}
    with tempfile.TemporaryDirectory(prefix="vault-issuer-lab-") as folder:
        over = Path(folder) / "role.yaml"
        over.write_text(json.dumps(overlay))
        ca = LabCA(root_mount, mount, role, (LAB, over))
        ca.apply(vault)
    return ca.layout(vault)


def kubernetes_variables(bed: Testbed, issuer: str) -> dict[str, str]:
    """Return the variables of `kubernetes.yaml` for the testbed's API server and one cluster issuer."""
    return {
        "KUBERNETES_HOST": bed.server,
        "KUBERNETES_CA": bed.ca_file.read_text(),
        "REVIEWER_TOKEN": reviewer_token(bed.kube),
        "AUDIENCE": f"vault://{issuer}",
    }
