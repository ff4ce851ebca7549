"""Signing through Vault's or OpenBao's PKI engine: the backend of issuers with `spec.vault`.

The only package above `issuer.vault` that may import it, beside migrate and commands. Modules, from the
bottom up:

- `reasons`, `failures`: Vault's own reasons; what went wrong, for whom it counts, and what to change.
- `parameters`, `profile`: what is sent beside a CSR, and how an issuer signs.
- `mount_issuers`, `role_issuers`: the CAs of one PKI mount, and the one by which a role signs.
- `signer`: check, sign and revoke. Mock `issuer.vault` at its client, or use a real OpenBao.
- `needs`, `opening`: what a spec refers to, and from a spec to a signer.
- `parts`: parts of an issuer, in the order in which its check meets them.
- `backend`: the description that controllers look up.

Kept out: conditions and statuses of requests, policies, and every other backend.
"""
