"""Entry points of the plugin of kubectl: `kubectl vault-issuer`, and its completion."""

from __future__ import annotations

import sys

from issuer.cli.completing import answer_kubectl
from issuer.cli.help import PLUGIN_NAME
from issuer.cli.main import app, spare_garbage_collections
from issuer.cli.streams import output_errors_told


def plugin() -> None:
    """Run `kubectl-vault_issuer`, which kubectl calls for `kubectl vault-issuer`."""
    spare_garbage_collections()
    with output_errors_told():
        app(prog_name=PLUGIN_NAME)


def complete() -> None:
    """Run `kubectl_complete-vault_issuer`, which kubectl calls when somebody presses the tab key."""
    spare_garbage_collections()
    sys.stdout.write(answer_kubectl(app, sys.argv[1:]))
