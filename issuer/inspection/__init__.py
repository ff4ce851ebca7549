"""Inspection of a live cluster: what `vault-issuer status`, `inspect` and `explain` do below their options.

Nothing is written, and no Secret is read. What the user may not read is noted as a gap with the right that it
takes, and the rest goes on; only a cluster that can't be asked at all ends in `BadInput`.

Modules, from the bottom up:

- `reading`: reads a cluster as a user who may not see all of it.
- `progress`: the state of one request, from its own status.
- `target`, `request_details`: find a request, and gather all that is about it.
- `contents`, `chains`: decode its CSR, certificate and chain.
- `diagnosis`, `report`: reasons with advice, and everything as the JSON that `-o json` prints.
- `leases`, `overview`: which controllers work, and the whole cluster at a glance.
- `request_tables`, `overview_tables`: the same JSON for people.
"""
