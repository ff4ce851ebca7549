"""Commands of `vault-issuer agent` and `enroll`: machines outside the cluster."""
