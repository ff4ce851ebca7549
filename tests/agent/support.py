"""A machine with an agent: a CA and an AppRole on a real OpenBao, `agent.yaml`, and the command."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from typer.testing import CliRunner, Result

from issuer.cli.main import app
from testbed.openbao import OpenBao

DOMAIN = "example.com"


@dataclass(slots=True)
class Machine:
    """A folder that stands for a machine, and the name that its CA, role and policy have on the server."""

    bao: OpenBao
    name: str
    folder: Path
    data: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def made(cls, bao: OpenBao, name: str, folder: Path) -> Machine:
        """Set up a CA, a role, a policy and an AppRole, and the credentials on the machine."""
        made = cls(bao, name, folder)
        bao.write(f"sys/mounts/{name}", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
        root = {"common_name": f"Root {name}", "ttl": "87600h", "key_type": "ec"}
        bao.write(f"{name}/root/generate/internal", root)
        made.role()
        bao.write(f"sys/policies/acl/{name}", {"policy": policy(name)})
        bao.write(f"auth/approle/role/{name}", {"token_policies": [name], "token_period": "1h"})
        (folder / "role-id").write_text(bao.read(f"auth/approle/role/{name}/role-id")["role_id"])
        made.new_secret_id()
        made.data = {
            "vault": {
                "server": bao.addr,
                "caFile": str(bao.ca_file),
                "login": {
                    "appRole": {
                        "roleIdFile": str(folder / "role-id"),
                        "secretIdFile": str(folder / "secret-id"),
                    }
                },
            },
            "stateFolder": str(folder / "state"),
            "certificates": [made.certificate("web")],
        }
        return made

    def role(self, **fields: Any) -> None:
        """Write the role `web`."""
        usual = {"allowed_domains": [DOMAIN], "allow_subdomains": True, "max_ttl": "72h", "ttl": "24h"}
        self.bao.write(f"{self.name}/roles/web", {"key_type": "any", "require_cn": False, **usual, **fields})

    def certificate(self, name: str, **fields: Any) -> dict[str, Any]:
        """An entry of `certificates`."""
        usual = {"path": f"{self.name}/sign/web", "dnsNames": [f"{name}.{DOMAIN}"], "ttl": "24h"}
        return {"name": name, "folder": str(self.folder / name), **usual, **fields}

    def new_secret_id(self) -> str:
        """Put a fresh secret ID on the machine; returns it."""
        answer = self.bao.write(f"auth/approle/role/{self.name}/secret-id", {})
        found = str(answer["secret_id"])
        (self.folder / "secret-id").write_text(found)
        return found

    def run(self, *words: str, **environment: str) -> Result:
        """Run `vault-issuer agent ...` with the machine's configuration."""
        (self.folder / "agent.yaml").write_text(yaml.safe_dump(self.data))
        (self.folder / "agent.yaml").chmod(0o600)  # root reads none that others may write
        arguments = ["agent", *words, "-c", str(self.folder / "agent.yaml")]
        return CliRunner().invoke(app, arguments, env=environment)

    def once(self) -> Result:
        """Run once; fails the test if that does."""
        ran = self.run("once")
        assert ran.exit_code == 0, ran.output
        return ran

    def status(self) -> dict[str, Any]:
        """The status of the only set."""
        parsed: list[dict[str, Any]] = json.loads(self.run("status", "-o", "json").stdout)
        return parsed[0]

    def served(self, name: str = "web") -> list[x509.Certificate]:
        """The certificates of a set's combined PEM, checked to begin with that of its key."""
        data = (self.folder / name / "combined.pem").read_bytes()
        found = x509.load_pem_x509_certificates(data)
        assert load_pem_private_key(data, None).public_key() == found[0].public_key()
        return found

    def signed(self) -> int:
        """The number of certificates that were asked for on the path."""
        return len(self.bao.audited(f"{self.name}/sign/web", "request"))


def policy(mount: str) -> str:
    """What an agent needs: to sign, and to revoke what it can't use."""
    return (
        f'path "{mount}/sign/web" {{ capabilities = ["update"] }}\n'
        f'path "{mount}/revoke" {{ capabilities = ["update"] }}\n'
    )
