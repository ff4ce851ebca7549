"""The provisioner that a signer speaks for: its key, its claims, and the tokens made by it.

- `passwords`: passwords from variables and files. `keyring`: keys, each decrypted once.
- `names`: what a token grants. `account`: tokens, clocks, and why one is refused.
"""
