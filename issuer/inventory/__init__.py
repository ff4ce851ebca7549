"""Inventory of the certificates that a Vault issued: which there are, until when, and what uses each.

Vault holds what was stored, a cluster and the reports of machines hold what is in use; both are joined by
the SHA-256 of each certificate. Nothing is written, and no key is kept. What can't be known is part of the
answer.

- `certificate`: one certificate in a row: names, dates, state; and the CA that signed it. Pure.
- `uses`: what was found in use, by certificate. Pure.
- `gaps`: what an inventory can't know, and why. Pure.
- `selection`: which certificates are asked for. Pure.
- `stored`: reads the PKI mounts of one Vault, page by page.
- `cluster`, `reports`: read what uses certificates.
- `taking`: the whole inventory of one command.
- `show`: tables, CSV, JSON and names.

Mock at `pki.server.calls.VaultCalls` and `kube.client.KubeClient`.
"""
