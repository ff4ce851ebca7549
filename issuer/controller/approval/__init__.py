"""Decisions before signing: compiled policies, the approver that asks them, and permissions for CSRs.

Contract: evaluation itself is `issuer.policy`'s and pure; here are the cluster's policies, who may use them,
and the issuer's approval mode. Nothing is written but the policies' Ready condition.

Bottom-up: `policies`, `refusals`, `approver`, `csr_permissions`.
"""
