"""Vault (or OpenBao) over HTTP: connection, login, token life and the PKI calls this product makes.

hvac's API classes build the paths and bodies; `transport.AsyncAdapter` sends them on aiohttp. Every failure
leaves this room as a `errors.VaultError`; no aiohttp, ssl or hvac exception does. Mock at
`client.adapter(...)`, not below. Modules, from the bottom up:

- `errors`, `answers`, `paths`, `hosts`, `audiences`: what can go wrong, how much a server may send around an
  answer, and what can be written in an issuer.
- `servers`: which servers issuers of namespaces may use. `peers`: who is dialled, and who is Vault.
- `trust`, `client_certificate`, `connection`: a CA bundle, our certificate, and where Vault is.
- `translate`, `transport`: answers and exceptions translated, and the client that sends.
- `auth`, `aws`, `sts`, `ambient`: the ways to log in.
- `tokens`, `session`: a token's life, and calls that need one.
- `pki`: the calls of the PKI engine.
"""
