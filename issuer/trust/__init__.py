"""Roots of a CA in the trust stores of a machine: put there, proven to be trusted, and taken away again.

Modules, from the bottom up:

- `errors`: refusals, before anything is written, and failures of a store.
- `roots`: certificates of a source, and which of them may be trusted. Pure: time is a parameter.
- `programs`: programs of the system, called without a shell. `sources`: files and URLs.
- `stores/`: the system's store, NSS databases of users, Java truststores.
- `installing`: what is to do in each store, then doing it.

A store names what it holds of ours by its SHA-256, so there is no file of state, and nothing of others is
ever removed. Kept out: Kubernetes, Vault's client, prompts (`issuer.cli.trust`). Mock nothing: tests have
stores in a folder, of the real `update-ca-certificates`, `certutil` and `keytool` where these are there.
"""
