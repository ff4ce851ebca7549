"""A small real receiver of traces: OTLP over HTTP on loopback, decoded by OpenTelemetry's own messages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class SpanSeen:
    """One span as it arrived; ``parent`` is empty at the top of a trace."""

    name: str
    trace: str
    id: str
    parent: str
    attributes: dict[str, str]
    error: str
    nanoseconds: int


@dataclass(slots=True)
class Collected:
    """What arrived so far, at ``url``; ``raw`` is every byte of it."""

    url: str
    spans: list[SpanSeen] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    raw: bytes = b""

    def named(self, name: str) -> list[SpanSeen]:
        """Those of that name."""
        return [one for one in self.spans if one.name == name]

    def below(self, parent: SpanSeen) -> list[str]:
        """The names of a span's children, in the order in which they began."""
        return [one.name for one in self.spans if one.parent == parent.id]

    def take(self, body: bytes) -> None:
        """Decode one message."""
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            self.resources.append({one.key: one.value.string_value for one in resource.resource.attributes})
            for scope in resource.scope_spans:
                for one in sorted(scope.spans, key=lambda span: span.start_time_unix_nano):
                    self.spans.append(
                        SpanSeen(
                            one.name,
                            one.trace_id.hex(),
                            one.span_id.hex(),
                            one.parent_span_id.hex(),
                            {pair.key: pair.value.string_value for pair in one.attributes},
                            one.status.message,
                            one.end_time_unix_nano - one.start_time_unix_nano,
                        )
                    )


@contextmanager
def collector() -> Iterator[Collected]:
    """Receive on a free port of loopback while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known = self.path == "/v1/traces" and self.headers["Content-Type"] == "application/x-protobuf"
            if known:
                collected.take(body)
            self.send_response(200 if known else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collected = Collected(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collected
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
