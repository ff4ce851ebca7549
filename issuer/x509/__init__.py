"""Reading CSRs and certificates, building chains, and comparing a CA's certificate with the request.

Pure: no I/O, no clock (time is a parameter), no state. Bad input of any kind raises an `X509Error`; sizes and
work are bounded. A leaf is read strictly; a CA's certificate as Go and OpenSSL read it. Modules, from the
bottom up:

- `errors`, `encoding/` (DER, PEM, and encodings that DER forbids): bytes and text blocks.
- `syntax/`: forms of names that all software reads alike. `names`: names that can be compared.
- `usages`, `extensions`: what they ask for or allow. `keys/`: keys that others have made.
- `contents`, `request`: all that a CSR's bytes say, and the CSR with its signature verified.
- `name_text`, `certificates`, `describe`: certificates, and their names and numbers in words. `crls`: CRLs
  as files hold them.
- `chains/`: bundles, signatures, the ways up to a root, name constraints, required CAs.
- `verification/`: the certificate that a CA returned against the request.

Kept out: policies, Kubernetes, every CA's own API. Mock nothing here: tests make certificates and call it.
"""
