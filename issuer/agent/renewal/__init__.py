"""One certificate's renewal: when it is due, what is asked for, and what is kept of the answer.

- `schedule`: when a renewal is due, and pauses between tries. Pure.
- `keys`: private keys, and the request that one signs.
- `signing`: the call, the answer's verification, and a revocation of what can't be used.
- `holding`: what a consumer refused, and how long it is held back.
- `stores`: PKCS#12 files and their passwords. `source`: the set as the agent keeps it, and its files.
- `clock`: the server's time.
- `looks`: what a look at a set finds.
- `keeping`: one certificate from its files to a fresh set of them.
- `delivered`: what something else asked Vault for, and hands over.
- `oldroots`: roots in which no issuer of a mount ends any more.
- `chains`: CAs alone, without a token.
"""
