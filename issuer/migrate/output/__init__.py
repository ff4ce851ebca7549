"""Plans for people, as files, or carried out in a cluster.

- `table`: the plan on a terminal.
- `manifests`, `folder`: YAML to apply and to take back, and the folder that keeps it.
- `next_steps`: the commands to paste after that.
- `applying`: `--apply`, the only module here that writes to a cluster.
"""
