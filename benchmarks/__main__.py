"""`python -m benchmarks quick|full|growth|pki|pages`: what the `bench` targets of the Makefile run."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import asdict

from benchmarks import growth, keeping, pki, tables
from benchmarks.plan import Plan
from benchmarks.runner import Run, carry_out
from benchmarks.systems import all_systems

OURS, PEER, CEILING = "vault-issuer", "cert-manager-approle", "bare-loop"
OURS_ON_STEP_CA = "vault-issuer-step"


def main() -> int:
    """Measure, print, and keep; 0 whatever the numbers are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Benchmarks on the testbed.")
    commands = parser.add_subparsers(required=True)
    _quick(commands.add_parser("quick", help="ours, cert-manager's Vault issuer and the ceiling, in minutes"))
    _full(commands.add_parser("full", help="every system and scenario, in an hour or two"))
    _growth(commands.add_parser("growth", help="the same burst while one thing around it grows"))
    _pki(commands.add_parser("pki", help="from an empty OpenBao to a verified CA, and the calls of a plan"))
    pages = commands.add_parser("pages", help="write the kept results into the pages' tables and curves")
    pages.set_defaults(run=run_pages)
    options = parser.parse_args()
    result: int = options.run(options)
    return result


def _pki(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.set_defaults(run=run_pki)


def run_pki(options: argparse.Namespace) -> int:
    """Measure the commands of `vault-issuer pki`."""
    pki.show(options.rounds)
    return 0


def _quick(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--burst", type=int, default=300, help="requests in a burst (default 300)")
    _compared(parser, [OURS, PEER, CEILING])
    parser.set_defaults(run=run_quick)


def _full(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--burst", type=int, default=2000)
    parser.add_argument("--steady", type=int, nargs="*", default=[20, 60], help="rates a second")
    parser.add_argument("--steady-seconds", type=int, default=30)
    parser.add_argument("--certificates", type=int, default=1000, help="in the mass renewal, 0 for none")
    _compared(parser, list(all_systems()))
    parser.set_defaults(run=run_full)


def _growth(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--burst", type=int, default=500)
    parser.add_argument("--curves", nargs="+", default=list(growth.NAMES), choices=list(growth.NAMES))
    parser.add_argument(
        "--most", type=int, default=1_000_000, help="leave out sizes above this, for a quick look"
    )
    parser.add_argument("--webhook", action="store_true", help="with cert-manager's webhook in front")
    parser.add_argument("--record", action="store_true", help="keep the results in benchmarks/results")
    parser.set_defaults(run=run_growth)


def _compared(parser: argparse.ArgumentParser, systems: list[str]) -> None:
    parser.add_argument("--systems", nargs="+", default=systems, choices=list(all_systems()))
    parser.add_argument(
        "--no-webhook", action="store_true", help="without cert-manager's webhook in front, as nobody runs it"
    )
    parser.add_argument("--record", action="store_true", help="keep the results in benchmarks/results")


def run_quick(options: argparse.Namespace) -> int:
    """One testbed for all, small bursts, and the ratios."""
    plan = Plan(
        tuple(options.systems),
        rounds=options.rounds,
        burst=options.burst,
        steady=(),
        certificates=0,
        fresh=False,
        webhook=not options.no_webhook,
    )
    return _compare(plan, "bench-quick", options)


def run_full(options: argparse.Namespace) -> int:
    """A testbed for each system in each round, all scenarios."""
    plan = Plan(
        tuple(options.systems),
        rounds=options.rounds,
        burst=options.burst,
        steady=tuple(options.steady),
        steady_seconds=options.steady_seconds,
        certificates=options.certificates,
        webhook=not options.no_webhook,
    )
    return _compare(plan, "bench" if plan.webhook else "bench-no-webhook", options)


def _compare(plan: Plan, kind: str, options: argparse.Namespace) -> int:
    if tables.ON_STEP_CA.issuperset(plan.systems):
        kind += keeping.ON_STEP_CA
    run = asyncio.run(carry_out(plan))
    _show(run, plan)
    for ours in (OURS, OURS_ON_STEP_CA):
        if ours in plan.systems:
            print("\nours divided by the others, round by round:")
            print(tables.text(tables.ratio_rows(run, ours)))
    _keep(kind, run, options)
    return 0


def run_growth(options: argparse.Namespace) -> int:
    """The named curves."""
    curves = tuple(options.curves)
    found = growth.measure_growth(options.burst, options.rounds, curves, options.most, options.webhook)
    run = asyncio.run(found)
    print()
    for curve in run.titles:
        print(f"{curve}: {run.titles[curve]}")
        print(tables.text(tables.growth_rows(run, curve)) + "\n")
    _keep("bench-growth", run, options)
    return 0


def run_pages(_options: argparse.Namespace) -> int:
    """Tables and curves of docs/, from the newest kept results."""
    # Only this needs matplotlib.
    from benchmarks.pages import refresh

    for line in refresh():
        print(line)
    return 0


def _show(run: Run, plan: Plan) -> None:
    for scenario in plan.scenarios():
        print(f"\n{scenario}: median (least-most) of {plan.rounds} rounds; CPU is for each certificate")
        print(tables.text(tables.rows(run, scenario)))


def _keep(kind: str, run: Run, options: argparse.Namespace) -> None:
    if options.record:
        print(f"\nkept in {keeping.save(kind, asdict(run))}")


if __name__ == "__main__":
    sys.exit(main())
