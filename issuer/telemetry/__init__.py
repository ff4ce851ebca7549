"""Logs, metrics, traces and health of a process, for its operators.

Contract: nothing here decides anything, imports what it observes (an import-linter contract proves it), or
holds a secret; labels of metrics hold nothing that a requester writes. Modules, from the bottom up:

- `redaction`, `repeats`, `python_warnings`, `journal`, `logs`: log lines without secrets, bounded and not
  repeated, as JSON, for a terminal or for systemd's journal.
- `catalogue`: every metric with its labels, their values and its help text.
- `issuer_series`: the issuers that have series of their own.
- `metrics`, `canary_metrics`: the Prometheus collectors that the catalogue describes.
- `tracing`, `otlp`: spans of a request, and their export to a collector; no-ops unless switched on.
- `address`, `health`: the HTTP listener for probes and Prometheus.
"""
