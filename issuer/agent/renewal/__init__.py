"""One certificate's renewal: when it is due, what is asked for, and what is kept of the answer.

- `schedule`: when a renewal is due, and pauses between tries. Pure.
- `keys`: private keys, and the request that one signs.
- `signing`: the call, the answer's verification, and a revocation of what can't be used.
- `holding`: what a consumer refused, and how long it is held back.
- `stores`: PKCS#12 files and their passwords. `source`: the set as the agent keeps it, and its files.
- `clock`: the server's time.
- `looks`: what a look at a set finds.
- `keepers`: sets of files, of certificates, of what is handed over, and of CAs alone.
"""
