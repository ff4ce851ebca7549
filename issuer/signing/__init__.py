"""The seam to whatever signs: `signer.Signer` (check, sign), its requests and results, and typed `outcomes`.

One family of modules per backend. A backend translates its own errors into `outcomes` and nothing else leaves
it. What not every backend can do is a Protocol of its own in `signer`: revoke, know its CAs, give advice.

Vault's, from the bottom up: `vault_parameters` (what is sent beside the CSR), `vault_outcomes` (what an error
means), `vault_advice` (what to change in a role), `vault_issuers` (the CAs of a mount), `vault` (the signer).
"""
