"""Sends spans to an OpenTelemetry collector by OTLP over HTTP; needs the extra `tracing`.

The SDK sends from a thread of its own, in batches, and drops what a collector that is away doesn't take: no
request waits for it. Its environment variables hold here, too: OTEL_EXPORTER_OTLP_HEADERS and
OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_TRACES_SAMPLER for a share of all traces, OTEL_RESOURCE_ATTRIBUTES.
Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.status import StatusCode

from issuer import __version__
from issuer.telemetry.tracing import Span, Value, collect

_PREFIX = "vault_issuer."
_SECONDS = 5  # that one export may take, and so the end of the process


class Traces:
    """The export of this process's spans to `url`; one at a time, closed at the end."""

    def __init__(self, url: str, identity: str) -> None:
        resource = Resource.create(
            {
                "service.name": "vault-issuer",
                "service.version": __version__,
                "service.instance.id": identity,
            }
        )
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(endpoint=url, timeout=_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=_SECONDS * 1000))
        self._closed = False
        self._tracer = self._provider.get_tracer("vault-issuer", __version__)

    def start(self) -> None:
        """Export the spans that `issuer.telemetry.tracing.span` begins."""
        collect(self._begin)

    def close(self) -> None:
        """Begin no more spans, and send the rest; may block for seconds."""
        if not self._closed:
            self._closed = True
            collect(None)
            self._provider.shutdown()

    def _begin(self, name: str, attributes: Mapping[str, Value]) -> Span:
        # Exceptions are not recorded: their texts and tracebacks are the log's, where secrets are taken out.
        return _Sent(
            self._tracer.start_as_current_span(
                name,
                attributes={f"{_PREFIX}{key}": value for key, value in attributes.items()},
                record_exception=False,
                set_status_on_exception=False,
            )
        )


class _Sent:
    """A span that the SDK exports."""

    on = True

    def __init__(self, begins: AbstractContextManager[trace.Span]) -> None:
        self._begins = begins
        self._span: trace.Span = trace.INVALID_SPAN
        self.trace_id = ""

    def __enter__(self) -> _Sent:
        self._span = self._begins.__enter__()
        self.on = self._span.is_recording()
        if self.on:  # not left out by the sampler
            self.trace_id = trace.format_trace_id(self._span.get_span_context().trace_id)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        if kind is not None:
            self._span.set_status(StatusCode.ERROR, kind.__name__)
        self._begins.__exit__(None, None, None)

    def set_attributes(self, **attributes: Value) -> None:
        """Add attributes, unless it has ended."""
        if self._span.is_recording():
            self._span.set_attributes({f"{_PREFIX}{key}": value for key, value in attributes.items()})
