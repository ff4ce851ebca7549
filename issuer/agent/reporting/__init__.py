"""The state of all sets and consumers, for people and other programs. Nothing here changes anything.

- `report`: the status of sets as rows and JSON, and all as a Prometheus textfile.
- `consumers`: the status of consumers, likewise.
- `inventory`: a machine's certificates as a report.
- `listening`: metrics over HTTP.
"""
