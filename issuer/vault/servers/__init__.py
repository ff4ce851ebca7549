"""Which servers the issuers of namespaces may have this process talk to. Pure, but for `lookup`.

- `addresses`: what a host's text means as an address, and the ranges that nobody means by "a Vault server";
- `allowed`: the operator's list (`--allowed-servers`), and what it says of a host, a port and an address;
- `lookup`: a host's addresses, for the question before anything is read or sent.

What is dialled is judged once more at each connect, in `issuer.vault.transport`.
"""
