"""Time from an empty OpenBao to a verified CA, and the calls of each command, by its audit log.

Each command is a process of its own, as a person runs it. Printed and not kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from testbed.cluster import REPOSITORY
from testbed.errors import TestbedError
from testbed.openbao import OpenBao
from testbed.servers import find_bao

EXAMPLES = {"homelab": "EC", "three-roles": "RSA 4096"}
"""Files of config/pki with the keys that Vault makes for their CAs: one of RSA 4096 takes it seconds."""
COMMANDS = (("apply", "--yes"), ("verify",), ("plan",))


@dataclass(frozen=True, slots=True)
class PkiCost:
    """Seconds and calls of one command."""

    seconds: float
    calls: int


def measured(example: str) -> dict[str, PkiCost]:
    """Apply an example to an empty server, verify it and plan it again; return the cost of each by command.

    Raises TestbedError if a command fails.
    """
    with tempfile.TemporaryDirectory(prefix="vault-issuer-pki-") as folder:
        bao = OpenBao(find_bao(), Path(folder))
        try:
            bao.start()
            environment = {
                **os.environ,
                "VAULT_ADDR": bao.addr,
                "VAULT_CACERT": str(bao.ca_file),
                "VAULT_TOKEN": bao.token,
                "KUBERNETES_CA": bao.ca_pem,
                "PKI_ADDRESS": "http://vault.example.test:8200",
                "DEVICES": "127.0.0.0/8",
            }
            return {words[0]: _cost(bao, example, words, environment) for words in COMMANDS}
        finally:
            bao.close()


def _cost(bao: OpenBao, example: str, words: tuple[str, ...], environment: Mapping[str, str]) -> PkiCost:
    before, began = _requests(bao), time.monotonic()
    file = REPOSITORY / "config" / "pki" / f"{example}.yaml"
    command = [sys.executable, "-m", "issuer", "pki", *words, "-f", str(file)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if ran.returncode not in (0, 3):  # 3: the stanza of an audit device is left to a person
        raise TestbedError(f"pki {words[0]} of {example} ended with {ran.returncode}:\n{ran.stderr}")
    return PkiCost(time.monotonic() - began, _requests(bao) - before)


def _requests(bao: OpenBao) -> int:
    with bao.audit_log.open("rb") as lines:
        return sum(b'"type":"request"' in line for line in lines)


def show(rounds: int) -> None:
    """Print the fastest of some rounds: what other work on the machine adds isn't the command's."""
    table = Table(
        "file", "keys", "empty to applied, s", "to verified, s", "calls of apply", "of verify", "of plan"
    )
    for example, keys in EXAMPLES.items():
        tries = [measured(example) for _ in range(rounds)]
        best = min(tries, key=lambda one: one["apply"].seconds + one["verify"].seconds)
        apply, verify, plan = (best[words[0]] for words in COMMANDS)
        table.add_row(
            f"{example}.yaml",
            keys,
            f"{apply.seconds:.1f}",
            f"{apply.seconds + verify.seconds:.1f}",
            str(apply.calls),
            str(verify.calls),
            str(plan.calls),
        )
    Console().print(table)
