"""Commands of `vault-issuer root`: an offline root."""
