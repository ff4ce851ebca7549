"""A new Vault's first hour: key shares handed over, the foundation applied, one admin login, no root token.

Modules, bottom-up:

- `targets`: files for secrets, made and filled before Vault is asked for the secrets.
- `pgp`: public keys of holders, as Vault takes them, and encryption by `gpg`.
- `sealing`: the calls to a server that is not initialised or sealed. A lost answer is told apart.
- `admin`: policy and token of the one login that is left, and the end of the root token.
- `first_start`: the steps in order, and what is said where one fails.

The root token and the shares are in this process' memory, in the call that returns them, and for shares in
the files that the person named. Mock at `issuer.vault.transport.VaultClient`.
"""
