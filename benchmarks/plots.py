"""Curves as SVG files for the pages, with text as text. Needs matplotlib (the extra `bench`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import scaling
from benchmarks.scaling import Service, Setting
from benchmarks.spread import Spread, spread
from benchmarks.tables import Results

OURS_COLOUR, PEER_COLOUR, CEILING_COLOUR = "#1f6feb", "#9a9a9a", "#2da44e"
_COLOURS = {"vault-issuer": OURS_COLOUR, "bare-loop": CEILING_COLOUR}
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "vault-issuer",  # the same input gives the same file
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def compared(run: Results, path: Path) -> None:
    """Certificates a second in a burst, and milliseconds of CPU by process, for each system."""
    names = [one for one in run.titles if run.by_round(one, "burst", "per_second")]
    rates = [spread(list(run.by_round(one, "burst", "per_second").values())) for one in names]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 0.9 + 0.42 * len(names)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        colours = [_COLOURS.get(one, PEER_COLOUR) for one in names]
        middles = [one.median for one in rates]
        left.barh(names, middles, color=colours, xerr=_errors(rates))
        left.invert_yaxis()
        left.set_title("certificates a second in a burst")
        for at, one in enumerate(rates):
            shown = f"{one.median:.0f}"
            left.annotate(shown, (0, at), (4, 0), textcoords="offset points", va="center", color="w")
        _costs(run, names, right)
        _save(figure, path)


def _costs(run: Results, names: Sequence[str], axes: Axes) -> None:
    begun = [0.0] * len(names)
    for key in ("controller", "apiserver", "etcd", "vault", "webhook"):
        found = [run.by_round(one, "burst", f"{key}_cpu_ms") for one in names]
        widths = [spread(list(one.values())).median if one else 0.0 for one in found]
        axes.barh(names, widths, left=begun, label=key)
        begun = [at + width for at, width in zip(begun, widths, strict=True)]
    axes.set_title("CPU ms a certificate")
    axes.legend(fontsize=7, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=5)


def growth(run: Results, curves: Mapping[str, str], path: Path) -> None:
    """Rate, CPU of controller and API server, and peak memory over the size of each curve (name to title)."""
    values = (
        ("per_second", "certificates a second"),
        ("controller_cpu_ms", "controller CPU ms each"),
        ("apiserver_cpu_ms", "API server CPU ms each"),
        ("rss_peak_mb", "peak MB"),
    )
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(11, 2 * len(curves)), layout="constrained")
        grid = figure.subplots(len(curves), len(values), squeeze=False)
        for row, (curve, title) in zip(grid, curves.items(), strict=True):
            for axes, (value, heading) in zip(row, values, strict=True):
                _curve(run, curve, value, axes)
                axes.set_title(heading, fontsize=8)
            row[0].set_ylabel(title, fontsize=8)
        _save(figure, path)


def _curve(run: Results, curve: str, value: str, axes: Axes) -> None:
    sizes = run.scenarios(curve)
    found = [spread(list(run.by_round(curve, size, value).values())) for size in sizes]
    positions = [int(size) for size in sizes]
    middles = [one.median for one in found]
    axes.errorbar(positions, middles, yerr=_errors(found), marker="o", color=OURS_COLOUR, capsize=2)
    axes.set_ylim(0, axes.get_ylim()[1] * 1.06)  # no point on the edge
    axes.set_xticks(positions, _labels(positions))


def _labels(positions: Sequence[int]) -> list[str]:
    """Sizes as text, without those that would stand in another's place."""
    apart = (positions[-1] - positions[0]) / 8
    near = [at > 0 and one - positions[at - 1] < apart for at, one in enumerate(positions)]
    return ["" if close else f"{one:,}" for one, close in zip(positions, near, strict=True)]


def _errors(found: Sequence[Spread]) -> list[list[float]]:
    return [[one.median - one.low for one in found], [one.high - one.median for one in found]]


def scaled(service: Service, settings: Mapping[str, Setting], path: Path) -> None:
    """The model's rate over the number of replicas, a line for each setting."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(6.5, 3.4), layout="constrained")
        axes = figure.subplots()
        for title, setting in settings.items():
            rates = [scaling.throughput(service, setting, count)[0] for count in scaling.REPLICAS]
            axes.plot(scaling.REPLICAS, rates, marker="o", label=title)
        axes.set_xscale("log", base=2)
        axes.set_xticks(scaling.REPLICAS, [str(one) for one in scaling.REPLICAS])
        axes.set_ylim(0, axes.get_ylim()[1] * 1.06)  # no point on the edge
        axes.set_xlabel("replicas")
        axes.set_ylabel("certificates a second, at most")
        axes.legend(frameon=False, fontsize=8)
        _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, format="svg", metadata={"Date": None})
