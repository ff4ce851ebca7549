"""Traces cost nothing where they are off, and their address is checked before anything starts."""

from __future__ import annotations

import pytest

from issuer.telemetry.address import AddressError, traces_url
from issuer.telemetry.tracing import NOTHING, span


def test_without_an_endpoint_a_span_is_nothing() -> None:
    with span("request", name="one") as one:
        one.set_attributes(outcome="issued")
    assert one is NOTHING
    assert (one.on, one.trace_id) == (False, "")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("http://collector:4318/", "http://collector:4318/v1/traces"),
        ("https://gate.example.com/otlp", "https://gate.example.com/otlp/v1/traces"),
        ("https://gate.example.com/otlp/v1/traces", "https://gate.example.com/otlp/v1/traces"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_traces_go_to_the_collectors_path(given: str, wanted: str) -> None:
    assert traces_url(given) == wanted


@pytest.mark.parametrize(
    "given",
    [
        "collector:4318",
        "grpc://collector:4317",
        "http://",
        "http://me:secret@collector:4318",
        "http://collector:4318?token=secret",
        "http://collector:port",
    ],
)
def test_what_is_no_collectors_address_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(AddressError, match="http://collector:4318") as told:
        traces_url(given)
    assert "secret" not in str(told.value)
