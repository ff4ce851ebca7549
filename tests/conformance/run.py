"""Runs the conformance suites in issuer-lib's form, from a checkout, against a cluster with a Ready issuer.

    python tests/conformance/run.py --suite ../issuer-lib/conformance --issuer vault --namespace conformance

Not run where this project was built: the suites' source wasn't at hand there (docs/conformance.md).
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

ENTRY = "conformance_test.go"
GROUP = "vault-issuer.io"


def command(issuer: str, namespace: str) -> list[str]:
    """What is run in the suite's folder: both suites, no feature declared unsupported."""
    return [
        *("go", "test", ".", "-count=1", "-timeout=90m", "-v"),
        "-args",
        f"-namespace={namespace}",
        f"-cm-issuers={GROUP}/VaultClusterIssuer/{issuer}",
        f"-k8s-issuers=vaultclusterissuers.{GROUP}/{issuer}",
    ]


def main(arguments: list[str]) -> int:
    """The exit code of ``go test``; 2 where the suite isn't."""
    parser = argparse.ArgumentParser(prog="conformance", description="cert-manager's conformance suites.")
    parser.add_argument("--suite", type=Path, required=True, help="issuer-lib's folder `conformance`")
    parser.add_argument("--issuer", required=True, help="a Ready VaultClusterIssuer")
    parser.add_argument("--namespace", default="conformance", help="an existing one")
    parser.add_argument("--print", action="store_true", help="say what would be run, and run nothing")
    chosen = parser.parse_args(arguments)
    if not (chosen.suite / ENTRY).is_file():
        print(
            f"{chosen.suite} has no {ENTRY}: give the folder `conformance` of a checkout of "
            "github.com/cert-manager/issuer-lib (an older one, if it isn't there any more)",
            file=sys.stderr,
        )
        return 2
    words = command(chosen.issuer, chosen.namespace)
    print(f"in {chosen.suite}: {shlex.join(words)}", flush=True)
    if chosen.print:
        return 0
    return subprocess.run(words, cwd=chosen.suite, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
