"""Steps that make our issuers of those that people have.

- `tenants`: notes about issuers of a namespace.
- `vault`: cert-manager's Issuers and ClusterIssuers with `spec.vault`.
"""
