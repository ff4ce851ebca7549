"""``python -m testbed up|down|status|env|build``: what ``make up`` and its companions call."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from testbed import running
from testbed.builds import BUILDS, TEST_BUILDS, build
from testbed.errors import TestbedError
from testbed.servers import find_servers


def main(arguments: list[str] | None = None) -> int:
    """Run one command; 0 when it did what it says, 1 with one message when not."""
    parser = argparse.ArgumentParser(prog="python -m testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="start one in the background; CONTROLLER=0 leaves the controller out")
    commands.add_parser("down", help="stop it and remove its data")
    commands.add_parser("status", help="say what runs and how to reach it; exit code 1 when nothing does")
    commands.add_parser("env", help='print what a shell needs to reach it: eval "$(make -s env)"')
    builds = commands.add_parser(
        "build", help="build the servers that have no package, into the user's cache"
    )
    builds.add_argument("--all", action="store_true", help="also those that only a few tests need")
    serve = commands.add_parser("serve", help="what `up` starts: run in the foreground until SIGTERM")
    serve.add_argument("--no-controller", action="store_true")
    serve.add_argument("--state", type=Path, default=running.STATE, help="directory for its state and data")
    options = parser.parse_args(arguments)
    try:
        return _run(options)
    except TestbedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "up":
            running.up(controller=os.environ.get("CONTROLLER", "1") not in ("0", "false", "no"))
        case "down":
            print("stopped" if running.down() else "no testbed runs here")
        case "status" | "env":
            return _tell(options.command)
        case "build":
            for one in TEST_BUILDS if options.all else BUILDS:
                build(one)
            servers = find_servers()
            for program in (servers.etcd, servers.kube_apiserver, servers.bao, servers.cert_manager):
                print(program)
        case "serve":
            running.serve(options.state, controller=not options.no_controller)
    return 0


def _tell(command: str) -> int:
    if command == "status":
        print(running.summary())
        return 0 if running.current() else 1
    told = running.current()
    if told is None:
        raise TestbedError("no testbed runs here: `make up` starts one")
    print(*running.exports(told), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
