"""Queues of keys to reconcile: fair order, partitions that don't wait for each other, back-off.

Bottom-up: `fairqueue` orders the ready keys by tenant, limiter and flow; `partitions` sets several such
orders side by side; `workqueue` hands out keys by any of them, each to one worker at a time, and retries.
Data structures on one event loop: no I/O, and no knowledge of the keys.
"""
