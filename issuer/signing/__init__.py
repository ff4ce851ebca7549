"""The seam to whatever signs: `signer.Signer` (check, sign), its requests and results, and typed outcomes.

One module per backend. A backend translates its own errors into `outcomes` and nothing else leaves it.
"""
