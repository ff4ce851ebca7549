"""Trust stores of a machine, each behind the one Protocol of `store`.

- `store`: what every store does, and the names of what is ours in it.
- `system`: the folder and bundles that OpenSSL, curl, Go and Python read.
- `nss`: databases of NSS, which Chromium and Firefox read.
- `java`: Java truststores.

Each store is asked as its consumers are whether it trusts a root. Nothing here decides what to do.
"""
