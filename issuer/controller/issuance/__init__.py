"""The way of one request: decided, signed, verified, written.

Contract: deciding returns an outcome and writes nothing; reporting writes and decides nothing; what is signed
is held until it is written, or revoked. Final answers are published to an `AnswerLog`, whoever listens.

Bottom-up:

- `approval_pace`, `status_writer`: one PUT an answer, paced where it approves or denies.
- `answer_log`: who hears of final answers.
- `delivery`: holds what was signed until it is written or discarded.
- `signing_step`: from an approval to a verified certificate.
- `kind_checks`: what each kind of request needs beside the policies.
- `reading`: the request that an attempt works on.
- `decider`, `reporter`, `reconciler`: what becomes of a request, what it says, and when the next attempt is.

Mock at the API server's client and at the signer (tests/unit/controller/bench.py).
"""
