"""CAs: which of them Vault holds already, and the calls that make the others.

A CA that exists is never made again. Each call leaves something in Vault that the next run finds: a key by
its name, a certificate at its signer by key and subject, an issuer by its key. Giving an issuer its name is
the last call and the one that only one of several appliers can win.

- `identity`: who is who in a mount's keys and issuers. Pure.
- `parts`: parts of CA certificates, and certificates in answers of Vault. Pure.
- `certificates`: what a CA certificate says, against the file. Pure.
- `described`: a CA certificate as fields of the file. Pure.
- `chains`: a CA's chain as Vault gives it: signatures, dates, and the pointers that it carries. Pure.
- `limits`: the bounds that a CA sets for those below it: end, path length, names. Pure.
- `bundles`: PEM bundles of existing CAs, in any order, keys decrypted. Pure.
- `calls`: the PKI calls that making a CA needs.
- `files`: bundles, and what travels to an offline CA and back.
- `attempts`: calls that another applier may have made first.
- `bringing`: imported bundles and offline-signed CAs. `making`: roots and signed CAs; any of them by name.
"""
