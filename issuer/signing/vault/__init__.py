"""Signing through Vault's or OpenBao's PKI engine.

Bottom-up: `reasons` (Vault's own), `errors` (what each error of Vault means for a request and its issuer),
`parameters` (what is sent beside the CSR), `advice` (what to change in a role), `profile` (how an issuer
signs), `mount_issuers` (the CAs of one PKI mount), `signer` (check and sign), `logins` and `credentials`
(from an issuer's spec to a connection).
"""
