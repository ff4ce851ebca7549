"""Bytes of CSRs and certificates.

- `der`: elements, and the parts of requests and certificates as they stand in the bytes.
- `pem`: text blocks.
- `lenient`: requests in encodings that DER forbids and that can be read in one way only.
- `raw`: certificates of CAs that the cryptography library does not decode.
"""
