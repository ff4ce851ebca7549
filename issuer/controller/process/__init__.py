"""The controller as a process: options, construction, watches and workers, and their orderly end.

Bottom-up: `options`, `wiring`, `gauges`, `statuspage_source` and `statuspage_expiring`, `manager`, `run`.
"""
