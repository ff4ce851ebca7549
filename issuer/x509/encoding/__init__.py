"""Bytes: DER and PEM, and what can still be read in encodings that DER forbids (`lenient`, `raw`)."""
