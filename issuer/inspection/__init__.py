"""Inspection of a live cluster: what `vault-issuer status`, `inspect` and `explain` do below their options.

Nothing is written, and no Secret is read. What the user may not read is noted as a gap with the right that it
takes, and the rest goes on; only a cluster that can't be asked at all ends in `BadInput`.

From the bottom up:

- `reading`: reads a cluster as a user who may not see all of it.
- `opening`: opens a cluster, with the kinds of issuers that are served there.
- `progress`: the state of one request, from its own status.
- `events`: the events of an object.
- `by_mount`: issuers as a rotation of their CA looks at them.
- `target`: finds what a user names.
- `overview`: the whole cluster at a glance, and which controllers work.
- `request`: one request, taken apart and explained.
"""
