"""Command `vault-issuer controller`: options in, exit code out."""
