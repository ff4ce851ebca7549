"""From an issuer's spec to a signer: references, logins, and the connection.

- `logins`: the login that a spec names. `credentials`: what it and the connection take from Secrets.
- `connector`: opens signers.
"""
