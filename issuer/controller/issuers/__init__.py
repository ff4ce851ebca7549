"""Checks of issuers: credentials, login, CA chain, and their Ready condition.

Contract: checking keeps what it found in the registry of `state` and writes nothing; reporting writes and
decides nothing. A backend is asked by `issuer.signing.backend` only.

Bottom-up: `ca_chains` (facts of the CAs that sign) and `status` (what a check leads to), both pure;
`signers` (opened from Secrets, dropped once these change), `checker`, `reporter`, `reconciler`.
"""
