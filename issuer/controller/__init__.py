"""The controller: watches issuers and requests, decides, has certificates signed and writes the answers.

Each folder imports those below it only (import-linter's contract `controller`). Bottom-up:

- `state`: what is known: objects by key, each issuer's health, outcomes, what waits for what. No I/O.
- `access`: this controller's own permissions, asked of the API server.
- `approval`: compiled policies, their decision on a request, permissions of Kubernetes' CSRs.
- `scheduling`: who goes next: flows, limits of an issuer, workers.
- `issuers`: checks issuers and writes their Ready condition.
- `renewals`: Certificates that are renewed without end, held back.
- `revocation`: revokes certificates whose request is deleted or replaced.
- `delivery`: what is signed, until it is written or discarded.
- `issuance`: one request from decision to written answer.
- `leadership`: who may act, alone or in shards.
- `canary`: asks for a certificate as a client does, again and again.
- `process`: options, construction, watches, workers, metrics' gauges, the status page's data, the end.

A test of one request mocks two edges: the API server's client and the signer
(`tests/unit/controller/fakes.py`, joined by `bench.py`).
"""
