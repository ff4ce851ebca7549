"""Keys, certificates and CRLs of an offline root. Pure: no files, no clock.

- `keys`: private keys: made, read in every form that OpenSSL writes, encrypted with scrypt.
- `constraints`: name constraints as people write them, as extensions, and one inside another.
- `profile`: a CA certificate in all its fields, built the same with any key.
- `lint`: a CA certificate against RFC 5280 and this profile.
- `requests`: CSRs, and what is refused in them.
- `crls`: lists of revoked CAs.
"""
