"""Checks of issuers: credentials, login, CA chain, and their Ready condition.

Bottom-up: `ca_chains` (what status says of the CAs that sign), `reconciler`.
"""
