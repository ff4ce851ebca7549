"""Vault (or OpenBao) over HTTP: connection, login, token life and the PKI calls that an issuer makes.

hvac's API classes build paths and bodies; `transport.AsyncAdapter` sends them on aiohttp. Every failure is
raised as an `errors.VaultError`, never as an exception of aiohttp, ssl or hvac. Mock at
`VaultClient.adapter`, not below. Modules, from the bottom up:

- `errors`, `paths`: failures, and paths as users write them.
- `connection`: one server, with Vault's namespace; the rest of it is `issuer.transport`'s. `environment`:
  what the variables of `vault` and `bao` name.
- `hvac_apis`: hvac's classes, without its clients.
- `translate`, `transport`: answers translated, and the client that sends.
- `login/`: login methods, and the life of a token. `session`: calls that need a token.
- `pki`: the calls of the PKI engine.

Kept out: Kubernetes, policies, and what an error means for a request (`signing/vault/errors`).
"""
