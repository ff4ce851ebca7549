"""The controller as a process: options, construction, watches and workers, and their orderly end.

Contract: the only folder of the controller that knows the status page, and the only one that constructs.

Bottom-up:

- `options`: what an operator sets.
- `components`: what the controller is made of, in groups.
- `wakeups`: who wakes whom.
- `watches`: which kinds are followed, into which store.
- `reason_labels`, `gauges`: what the metrics read.
- `wiring`: constructs and joins all of it.
- `page`: what the status page shows.
- `peers`: no start beside a controller whose kinds are adopted.
- `work`: watches and workers, from their start to their end.
- `manager`, `run`: leadership, health and page around the work; signals, event loop, client.
"""
