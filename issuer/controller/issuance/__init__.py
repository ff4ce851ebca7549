"""The way of one request: decided, signed, verified, written.

Contract: deciding returns an outcome and writes nothing; reporting writes and decides nothing; what is signed
is held until it is written, or revoked (`issuer.controller.delivery`).

Bottom-up:

- `kind_checks`: what each kind of request needs beside the policies.
- `last_look`: what a request was judged by, compared once more before it is sent.
- `renewable`: the life that is asked for, so that the certificate can be renewed.
- `signing_work`: what is asked of the CA. `acceptance`: what came back, verified and held.
- `signing_step`: from an approval to a certificate, or to why there is none.
- `reading`: the request that an attempt works on.
- `decider`, `reporter`, `reconciler`: what becomes of a request, what it says, and when the next attempt is.

Mock at the API server's client and at the signer (tests/unit/controller/bench.py).
"""
