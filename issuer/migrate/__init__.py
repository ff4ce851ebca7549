"""``vault-issuer migrate``: from cert-manager's Vault issuer, and approver-policy, to ours.

`inventory` sorts documents; `issuers`, `access`, `policies`, `starter`, `roles` and `references` each turn
one kind of thing into steps; `planning` joins them to a `Plan`; `manifests` and `table` show it. All of that
is pure. Only `cluster` reads a cluster, and only `applying` writes to one. Secrets are never read.
"""
