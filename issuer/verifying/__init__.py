"""TLS endpoints verified as clients do it: what is served, by which root it verifies, and what is wrong.

Modules, from the bottom up:

- `findings`: what can be wrong with an endpoint, each with a code and what to do. Pure.
- `trust`: the CAs that clients have, and those that are only known. Pure.
- `names`: whether a certificate is for the name that clients ask for. Pure.
- `judging`: what was served or why nothing was, judged. Pure: time is a parameter.
- `revocation`: CRLs and OCSP responders that the certificates name, asked.
- `checking`: endpoints dialled, many at a time, and judged.
- `show`: the result for people. `textfile`: metrics for Prometheus.

Kept out: Kubernetes and Vault; the command brings CAs and the certificate that should be served. Mock a
server, not this.
"""
