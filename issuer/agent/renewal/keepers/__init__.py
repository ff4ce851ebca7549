"""Sets of files, each kept by what knows where its contents come from.

- `certificates`: one certificate, from its files to a fresh set of them.
- `delivered`: what something else asked Vault for, and hands over.
- `oldroots`: roots in which no issuer of a mount ends any more.
- `chains`: CAs alone, without a token.
"""
