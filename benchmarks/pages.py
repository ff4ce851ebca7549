"""Writes the kept results into the pages: tables between marks, and curves as SVG files beside them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import growth as curves
from benchmarks import keeping, plots, scaling, tables
from benchmarks.marks import PAGES, PICTURES, fill
from benchmarks.pieces import BENCH_ON_STEP_CA, OURS, compared, grown
from benchmarks.runner import Run
from benchmarks.service import NotMeasured, service_times


def refresh() -> Iterator[str]:
    """Write pages and pictures from the newest results of each kind; tells what was done or is missing."""
    pieces: dict[str, str] = {}
    found: dict[str, Run] = {}
    for kind in ("bench", "bench-no-webhook", "bench-quick", BENCH_ON_STEP_CA, "bench-growth"):
        try:
            found[kind] = keeping.run_of(keeping.latest(kind))
        except FileNotFoundError as error:
            yield f"left as it is: {error}"
    for kind, run in found.items():
        pieces |= grown(run) if kind == "bench-growth" else compared(kind, run)
    if "bench" in found:
        plots.compared(found["bench"], PICTURES / "performance-burst.svg")
        pieces["bench-picture"] = "![A burst, system by system](performance-burst.svg)"
    if "bench-growth" in found:
        plots.growth(found["bench-growth"], _lines(), PICTURES / "performance-growth.svg")
        pieces["bench-growth-picture"] = "![How cost grows](performance-growth.svg)"
    if "bench" in found and "bench-growth" in found:
        try:
            pieces |= _scaling(found["bench"], found["bench-growth"])
        except NotMeasured as error:
            yield f"left as it is: {error}"
    for page in PAGES:
        before = page.read_text(encoding="utf-8")
        after = fill(before, pieces)
        page.write_text(after, encoding="utf-8")
        yield f"{page.name}: {'written' if after != before else 'nothing new'}"


def _lines() -> dict[str, str]:
    return {one.name: one.title for one in curves.CURVES if len(one.sizes) > 1 and one.name != "contents"}


def _scaling(bench: Run, growth: Run) -> dict[str, str]:
    service = service_times(bench, growth)
    settings = scaling.settings()
    plots.scaled(service, settings, PICTURES / "performance-scaling.svg")
    measured = bench.by_round(OURS, "burst", "per_second_after_first")
    bound = scaling.on_shared_cores(service, bench.machine["cores"])
    best = max(measured.values())
    times = {
        "controller, a request it answers": service.own,
        "controller, a request another answers": service.passing,
        "API server": service.apiserver,
        "API server, each further watch": service.watch,
        "etcd": service.etcd,
        "Vault": service.vault,
        "webhook": service.webhook,
        "API server, a Lease renewed": service.lease_apiserver,
        "etcd, a Lease renewed": service.lease_etcd,
    }
    rows = [["", "CPU ms"], *([name, f"{value:.3f}"] for name, value in times.items())]
    check = (
        f"With everything on the {bench.machine['cores']} cores of the measurement the model allows "
        f"{bound:.0f}/s at most; {best:.0f}/s were reached at best (from the first certificate on), "
        f"{best / bound:.0%} of it.\n"
    )
    return {
        "scaling-times": tables.markdown(rows),
        "scaling": tables.markdown(scaling.model_rows(service, settings)),
        "scaling-check": check,
        "scaling-picture": "![Certificates a second by replicas](performance-scaling.svg)",
    }
