"""The certificate that a CA returned, compared with the request.

- `findings`: differences, by code and in words.
- `renewal`: the time at which cert-manager renews a certificate.
- `verify`: the comparison.
"""
