"""Signing through Vault's or OpenBao's PKI engine: the backend of issuers with `spec.vault`.

The only package above `issuer.vault` that may import it, beside migrate and commands. Modules, from the
bottom up:

- `role_fields`, `reasons`, `errors`: what a role refused, Vault's own reasons, and the outcome of each error
  for a request and its issuer.
- `parameters`, `advice`, `profile`: what is sent beside a CSR, what to change in a role, how an issuer signs.
- `mount_issuers`: the CAs of one PKI mount.
- `signer`: check, sign and revoke. Mock `issuer.vault` at its client, or use a real OpenBao.
- `needs`, `logins`, `credentials`, `connector`: from an issuer's spec to a signer.
- `backend`: the description that controllers look up.

Kept out: conditions and statuses of requests, policies, and every other backend.
"""
