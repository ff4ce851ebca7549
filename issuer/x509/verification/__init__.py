"""The certificate that a CA returned, compared with the request. Modules, from the bottom up:

- `findings`: differences, by code and in words.
- `renewal`: the time at which cert-manager renews a certificate.
- `requested`, `differences`: what is compared, and a difference before it is decided whether it is fatal.
- `lifetimes`, `usages`: times and usages, of the certificate and of its CAs.
- `verify`: the comparison of all, names, keys and CA rights among them.
"""
