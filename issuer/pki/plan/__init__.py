"""Wanted and read become steps. Plans hold no secret and are kept nowhere unless asked.

- `desired`: the file as resources, in the order of an apply. Pure.
- `step`: one step, for people and as JSON. Pure.
- `pruning`: what `--prune` removes. Pure.
- `reading`: the paths that a plan needs, read in two rounds: what exists, then what is inside.
- `fields`: fields that the server doesn't have. Pure.
- `checks`: what stops a plan, that only Vault and the file together show. Pure.
- `rotations`: CAs that rotations make and have removed. Pure.
- `imports`: certificates that come from files, beside those that stand. Pure.
- `planning`: resources and reading become a `PkiPlan`. Pure.
- `editors`: the JSON schemas with the fields that servers are known to have. Pure.
- `saved`: a plan as a file: SHA-256 of what was read and of the file, no secret.
- `show`: the plan as text, coloured on a terminal.
"""
