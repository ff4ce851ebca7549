"""Contradictions inside `pki.yaml`, found before anything is sent; each says file, line and the change.

- `context`: the file, and what several checks ask of it.
- `mounts`, `authorities`, `access`: contradictions of each.
- `problems`: all of them.
"""
