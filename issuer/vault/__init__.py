"""Vault (or OpenBao) over HTTP: connection, login, token life and the PKI calls this product makes.

hvac's API classes build the paths and bodies; `transport.AsyncAdapter` sends them on aiohttp. Every failure
leaves this room as a `errors.VaultError`; no aiohttp, ssl or hvac exception does. Mock at
`client.adapter(...)`, not below.
"""
