"""Checks of issuers: credentials, login, CA chain, and their Ready condition.

Contract: what is found is kept in the registry of `state`; a backend is asked by `issuer.signing.backend`
only.

Bottom-up: `ca_chains` (facts of the CAs that sign) and `status` (what a check leads to), both pure,
and `reconciler`.
"""
