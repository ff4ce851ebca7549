"""One Vault or OpenBao, as the commands read and write it. All their network I/O is here.

- `connecting`: address, CA and token from the environment, as `vault` and `bao` take them.
- `warnings`: warnings of Vault's, and those that are expected.
- `calls`: every read and write; a write whose answer warns raises, a read tells absent from refused.
- `state`: sealed, not initialised, without an active node; Vault or OpenBao.
- `logins`: logins of a Job, whose token is narrow and ends with it.
- `offers`: the fields that a path takes, from its help. Pure.
- `reading`: what one look at Vault found, by path. Pure.
"""
