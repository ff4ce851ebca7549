"""Checked chains of certificates, built from a heap of them (RFC 5280 section 6).

Modules, from the bottom up:

- `signatures`: signatures that the cryptography library doesn't verify.
- `links`: which certificate signed which, and roots.
- `forms`: certificates in DER, PKCS #7 or UTF-16, as PEM.
- `bundle`: PEM bundles of CA certificates, of which some may be odd.
- `anchors`: CAs that must stand in a chain.
- `chain`: the ways up from a CA, and the chain of a leaf, each link checked.
- `constraints`: names that the CAs of a chain may not sign.
- `acceptance`: what else clients refuse: unknown critical extensions, CAs for other uses.
"""
