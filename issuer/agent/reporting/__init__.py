"""The state of all sets and consumers, for people and other programs. Nothing here changes anything.

- `report`: the status of sets as rows and JSON.
- `consumers`: the status of consumers, likewise.
- `metrics`: both as Prometheus' text, and what each metric says.
- `inventory`: a machine's certificates as a report.
- `listening`: metrics over HTTP.
"""
