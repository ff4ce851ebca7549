"""Certificates revoked by hand: found by serial number, file, Certificate or Secret; planned; then revoked.

- `named`: what a user names. Pure.
- `plan`: what is to be done with each, and what comes next. Pure.
- `lists`: how a mount makes its CRL, and whether a serial number is on it.
- `finding`: finds the certificates, and what uses them.
- `revoking`: the plan of one command, and its execution.
- `show`: the plan and the result for people.

Revoked is what the plan shows and nothing else. Mock at `pki.server.calls.VaultCalls`.
"""
