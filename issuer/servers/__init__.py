"""Servers that issuers name: host names, special addresses, and the operator's list, for any backend.

Nothing here connects, and nothing knows Vault or Kubernetes. Modules, from the bottom up:

- `hosts`: names that DNS and TLS can hold.
- `addresses`: addresses in all their spellings, and special ones (loopback, cloud metadata, ...).
- `allowed`: the operator's list, and whether it admits a host or address.
- `lookup`: the check of a host before anything is sent, with a DNS lookup; mock `loop.getaddrinfo`.
"""
