"""What the controller tells its operators: logs, metrics and health.

Nothing here decides anything, and nothing here may hold a secret. Modules, from the bottom up:

- `redaction`, `repeats`, `python_warnings`, `logs`: lines without secrets, bounded, and not over and over.
- `words`, `catalogue`, `metrics`, `canary_metrics`: every metric with its labels, and how it is counted.
- `tracing`, `otlp`: spans, where somebody collects them.
- `address`, `health`: the listener for probes and Prometheus.
"""
