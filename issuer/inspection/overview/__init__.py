"""The whole cluster at a glance: what `vault-issuer status` shows.

- `leases`: which controllers work.
- `summary`: issuers, policies and requests, and what needs attention, as JSON.
- `tables`: the same for people.
"""
