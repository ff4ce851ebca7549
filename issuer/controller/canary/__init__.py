"""The canary: a certificate asked for again and again, end to end, so that what breaks is known early.

Contract: it asks as any client does, by a CertificateRequest, and knows nothing of how the controller
answers.

Bottom-up: `target` and `request` (what is asked for), `history` (what the runs found), `events` (the same on
their issuers), `diagnosis` and `verifying` (pure: why there is no certificate, and whether it is a good one),
`endpoint` (dials TLS), `probe` (one run, for controller and command line alike), `prober` (repeats it in the
replica that leads).
"""
