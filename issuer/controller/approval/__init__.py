"""Decisions before signing: compiled policies, the approver that asks them, and permissions for CSRs.

Bottom-up: `policies`, `csr_permissions`, `approver`.
"""
