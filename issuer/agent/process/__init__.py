"""The agent's process, bottom-up.

- `records`: what happened to each set last, in files that `agent status` reads.
- `agent`: one server's session and its keepers; a step of all of them.
- `running`: steps again and again, at their times, until the process is told to stop.
- `report`: the status as rows, JSON and a Prometheus textfile.
"""
