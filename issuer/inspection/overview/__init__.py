"""The whole cluster at a glance: what `vault-issuer status` shows.

- `leases`, `canaries`: which controllers work, and how their canaries fare.
- `certificates`: Certificates past their renewal, and expired ones.
- `requests`: requests, counted by state and by reason.
- `summary`: issuers, policies and requests, and what needs attention, as JSON.
- `tables`: the same for people.
- `watching`: the same again and again.
"""
