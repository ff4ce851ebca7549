"""Wanted and read become steps. Plans hold no secret and are kept nowhere unless asked.

- `desired`: the file as resources, in the order of an apply. Pure.
- `step`: one step, for people and as JSON. Pure.
- `pruning`: what `--prune` removes. Pure.
- `reading`: the paths that a plan needs, read in two rounds: what exists, then what is inside.
- `fields`: fields that the server doesn't have. Pure.
- `context`: what the checks of a plan look at. Pure.
- `signers`: what real certificates of signers don't allow. Pure.
- `certificates`: certificates that CAs would get and couldn't serve with. Pure.
- `acme`: roles and issuers that ACME names and nobody has. Pure.
- `rotations`: CAs that rotations make and have removed. Pure.
- `granted`: mounts and roles that policies grant and nobody has. Pure.
- `planning`: resources and reading become a `PkiPlan`. Pure.
- `editors`: the JSON schemas with the fields that servers are known to have. Pure.
- `saved`: a plan as a file: SHA-256 of what was read and of the file, no secret.
- `show`: the plan as text, coloured on a terminal.
"""
