"""Renewals without end: a Certificate that gets one certificate after another is held back. No writing here.

Contract: `loops` decides from times alone, and time is a parameter; it learns of every certificate from the
watch of CertificateRequests, so that each replica counts those of all. `guard` is asked before a signing.

Bottom-up: `loops` (which Certificate has to wait, and until when), `issued` (a handler of the watch),
`owners` (the Certificate of a request), `guard`.
"""
