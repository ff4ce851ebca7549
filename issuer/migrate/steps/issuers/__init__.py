"""Steps that make our issuers of those that people have.

From the bottom up:

- `carried`: an issuer that is carried over, as the other steps see it.
- `fields`: known and unknown fields of a spec.
- `tenants`: notes about issuers of a namespace.
- `vault`: cert-manager's Issuers and ClusterIssuers with `spec.vault`.
- `step`: step-issuer's StepIssuers and StepClusterIssuers.
- `carry`: all of them.
"""
