"""Pictures as SVG, without style attributes: the Content-Security-Policy forbids them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from issuer.statuspage.html import Html, tag
from issuer.statuspage.model import Expiring, PageCanaryRun

RUNS: Final = 24
"""Runs of a canary that are drawn."""
_WIDE = 10.0  # of one step of the timeline
_HIGH = 100.0


def svg(label: str, width: float, height: float, *parts: Html | None, class_: str) -> Html:
    """Return a picture that fills its box, with a label for those who don't see it."""
    return tag(
        "svg",
        *parts,
        class_=class_,
        viewBox=f"0 0 {width:g} {height:g}",
        preserveAspectRatio="none",
        role="img",
        aria_label=label,
    )


def sparkline(values: Sequence[int], label: str) -> Html:
    """Draw numbers over time as a line, with the area below it."""
    height, top = 24.0, max(max(values, default=0), 1)
    right = max(len(values) - 1, 1)
    points = " ".join(f"{x},{height - 1 - value / top * (height - 3):.1f}" for x, value in enumerate(values))
    return svg(
        label,
        right,
        height,
        tag("polygon", points=f"0,{height:g} {points} {right},{height:g}", class_="area"),
        tag("polyline", points=points, class_="line"),
        class_="spark",
    )


def bar(share: float, level: str, label: str) -> Html:
    """Draw the part that is left of something, from 0 to 1."""
    width = round(min(max(share, 0.0), 1.0) * 100, 1)
    return svg(
        label,
        100,
        6,
        tag("rect", width=100, height=6, class_="track"),
        tag("rect", width=width, height=6, class_=f"fill {level}"),
        class_="bar",
    )


def canary_strip(runs: Sequence[PageCanaryRun]) -> Html:
    """Draw the last runs of a canary from the left, the newest last; failed ones are taller."""
    shown = runs[-RUNS:]
    well = sum(one.well for one in shown)
    marks = [_run(index, one) for index, one in enumerate(shown)]
    return svg(f"{well} of the last {len(shown)} runs went well", RUNS * 5, 16, *marks, class_="strip")


def _run(place: int, one: PageCanaryRun) -> Html:
    top = 7 if one.well else 0
    how = f"{one.seconds:.2f} s" if one.well else f"broke at {one.stage}"
    return tag(
        "rect",
        tag("title", f"{one.at:%Y-%m-%d %H:%M:%S} UTC: {how}"),
        x=place * 5,
        y=top,
        width=3.5,
        height=16 - top,
        class_="well" if one.well else "broke",
    )


def timeline(expiring: Expiring, now: datetime) -> Html:
    """Draw certificates by when they end; those with an overdue renewal stand below, darker and outlined."""
    steps = len(expiring.on_time)
    both = [one + two for one, two in zip(expiring.on_time, expiring.late, strict=True)]
    scale = (_HIGH - 4) / max(1, *both)
    bars = [_step(index, expiring, scale) for index in range(steps) if both[index]]
    per_day = round(timedelta(days=1) / expiring.step)
    grid = [
        tag("line", x1=index * _WIDE, x2=index * _WIDE, y1=0, y2=_HIGH, class_="grid")
        for index in range(per_day, steps, per_day)
    ]
    here = round((now - expiring.begins) / expiring.step * _WIDE)
    mark = tag("line", x1=here, x2=here, y1=0, y2=_HIGH, class_="now")
    label = (
        f"{sum(both):,} certificates end in these {_days(expiring)} days, at most {max(both):,} of them in "
        f"{_hours(expiring)}"
    )
    return svg(label, steps * _WIDE, _HIGH, *grid, *bars, mark, class_="timeline")


def _step(index: int, expiring: Expiring, scale: float) -> Html:
    on_time, late = expiring.on_time[index], expiring.late[index]
    begins = expiring.begins + index * expiring.step
    overdue = f", {late:,} of them overdue for renewal" if late else ""
    low, high = late * scale, on_time * scale
    return tag(
        "g",
        tag(
            "title",
            f"{on_time + late:,} end in {_hours(expiring)} from {begins:%a %d %b, %H:%M} UTC{overdue}",
        ),
        tag("rect", x=index * _WIDE, y=0, width=_WIDE, height=_HIGH, class_="hover"),
        _column(index, _HIGH - low - high, high, "ends") if on_time else None,
        _column(index, _HIGH - low, low, "overdue") if late else None,
    )


def _column(index: int, top: float, height: float, kind: str) -> Html:
    return tag(
        "rect", x=index * _WIDE + 1, y=round(top, 1), width=_WIDE - 2, height=round(height, 1), class_=kind
    )


def days(expiring: Expiring) -> Html:
    """Return the days below the timeline as text, so that it is readable however narrow the picture is."""
    some = [expiring.begins + timedelta(days=number) for number in range(_days(expiring))]
    return tag(
        "ol",
        *(tag("li", tag("span", f"{day:%a} ", class_="weekday"), str(day.day)) for day in some),
        class_="days",
        aria_hidden="true",
    )


def _days(expiring: Expiring) -> int:
    return round(len(expiring.on_time) * expiring.step / timedelta(days=1))


def _hours(expiring: Expiring) -> str:
    return f"{expiring.step // timedelta(hours=1)} hours"


def dot(level: str) -> Html:
    """Draw a small mark whose shape, not its colour alone, shows the level."""
    shapes = {
        "warn": tag("path", d="M5 0.6 9.6 9.2H0.4Z"),
        "bad": tag("rect", x=1, y=1, width=8, height=8),
    }
    shape = shapes.get(level, tag("circle", cx=5, cy=5, r=4))
    return tag("svg", shape, class_=f"dot {level}", viewBox="0 0 10 10", aria_hidden="true")
