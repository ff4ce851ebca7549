"""Commands of `vault-issuer root`, an offline root: `wishes` from options, `acts`, and `commands`."""
