"""Results as tables."""

from __future__ import annotations

from benchmarks.spread import Spread
from benchmarks.tables import growth_rows, markdown, ratio, ratio_rows, rows, summary_rows, text
from tests.unit.benchmarks.runs import run

RUN = run(
    (0, "ours", "burst", {"per_second": 200.0, "rss_peak_mb": 80.0, "webhook_cpu_ms": 0.5}),
    (1, "ours", "burst", {"per_second": 300.0, "rss_peak_mb": 80.0, "webhook_cpu_ms": 0.5}),
    (0, "peer", "burst", {"per_second": 100.0, "rss_peak_mb": 120.0}),
    (1, "peer", "burst", {"per_second": 100.0, "rss_peak_mb": 121.0}),
    (0, "peer", "renewal", {"per_second": 50.0}),
)


def test_a_row_holds_medians_and_what_was_not_measured_is_left_out() -> None:
    assert rows(RUN, "burst") == [
        ["", "certs/s", "webhook", "peak MB"],
        ["ours", "250 (200-300)", "0.50", "80"],
        ["peer", "100", "", "120 (120-121)"],
    ]
    assert [row[0] for row in rows(RUN, "renewal")] == ["", "peer"]


def test_ratios_are_of_the_same_round() -> None:
    assert ratio(RUN, "burst", "per_second", "ours", "peer") == Spread(2.5, 2.0, 3.0)
    assert ratio(RUN, "renewal", "per_second", "ours", "peer") is None
    assert ratio_rows(RUN, "ours") == [["", "burst, certs/s"], ["ours / peer", "2.50 (2.00-3.00)"]]


def test_systems_are_compared_with_those_of_their_own_ca() -> None:
    names = ("vault-issuer", "cert-manager-token", "vault-issuer-step", "step-issuer")
    both = run(*((0, name, "burst", {"per_second": 100.0}) for name in names))
    assert [row[0] for row in ratio_rows(both, "vault-issuer")] == ["", "vault-issuer / cert-manager-token"]
    assert [row[0] for row in ratio_rows(both, "vault-issuer-step")] == [
        "",
        "vault-issuer-step / step-issuer",
    ]


def test_the_summary_says_in_words_what_each_system_is() -> None:
    named = run((0, "ours", "burst", {"per_second": 200.4, "controller_cpu_ms": 1.26}))
    named.titles["ours"] = "what it is"
    head, row = summary_rows(named)
    assert head[:3] == ["", "certs/s in a burst", "controller CPU ms each"]
    assert row == ["what it is", "200", "1.3", "", "", ""]


def test_a_curve_has_a_row_for_each_size_in_order() -> None:
    grown = run(
        (0, "finished", "0", {"per_second": 10.0}),
        (0, "finished", "20000", {"per_second": 9.0}),
        (1, "finished", "20000", {"per_second": 11.0}),
    )
    assert growth_rows(grown, "finished", {"0": "none"}) == [
        ["", "certs/s"],
        ["none", "10"],
        ["20000", "10 (9-11)"],
    ]


def test_text_is_aligned_and_markdown_is_a_table() -> None:
    table = [["", "a"], ["long", "1"]]
    assert text(table) == "      a\nlong  1"
    assert markdown(table) == "|  | a |\n| --- | ---: |\n| long | 1 |\n"
