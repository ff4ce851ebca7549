"""Every metric with its labels, their values, its help text and how many series it makes.

Contract: data and pure functions; nothing is counted here. Bottom-up: `label_values`, `described` (the form
of a description, and what several share), `requests`, `process` (the metrics), `whole` (all of them, as one
controller has them).
"""
