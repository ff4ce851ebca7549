"""Acts of an offline root, decided without I/O: each takes a ledger, a wish and the time, and refuses or
returns what is to be signed and kept.

- `file`: the ceremony file; its parts are the wishes that options make, too.
- `clock`: the time, held against what the ledger knows.
- `roots`: a new root, or one that is taken over.
- `signing`: a CSR becomes a certificate, or gets the one that it has.
- `crls`: revocations and the next CRL.
"""
