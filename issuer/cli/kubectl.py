"""The same commands as a plugin of kubectl: `kubectl vault-issuer`, and what completes it."""

from __future__ import annotations

import sys

from issuer.cli.completing import answer_kubectl
from issuer.cli.main import app


def plugin() -> None:
    """`kubectl-vault_issuer`, which kubectl runs as `kubectl vault-issuer`."""
    app(prog_name="kubectl vault-issuer")


def complete() -> None:
    """`kubectl_complete-vault_issuer`, which kubectl asks when somebody presses the tab key."""
    sys.stdout.write(answer_kubectl(app, sys.argv[1:]))
