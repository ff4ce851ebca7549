"""Commands of `vault-issuer pki`: a private CA in Vault from one file."""
