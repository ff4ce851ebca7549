"""Reconcilers and the manager that wires and runs them.

Deciding is pure (`request`, `conditions`, `status`, `modes`, `ca_expiry`, `ca_chains`); reading and writing
is done at the edges (`credentials`, `delivery`, the reconcilers). Modules, by what they are about:

- What is read and kept: `kept`, `stores`, `reading`, `registry`, `policies`, `certificates`.
- Requests of both kinds: `request`, `certificate_request`, `kubernetes_csr`, `kinds`, `conditions`, `status`.
- One request: `request_reconciler`, `approval`, `csr_permissions`, `modes`, `signing_step`, `outcomes`,
  `delivery`,
  `status_writer`, `approval_pace`, `story`, `answered`, `unprocessed`.
- One issuer: `issuer_reconciler`, `credentials`, `references`, `logins`, `trust`, `ca_chains`, `ca_expiry`,
  `rights`.
- Who goes when: `turns`, `limits` (requests), `checks`, `lookups` (issuers), `workers`.
- What nobody expected: `defects`.
- Several replicas: `authority`, `sharding`. After issuing: `revocation`. From outside: `canary`.
- What is seen: `gauges`, `status_source`, `expiring`.
- The process: `options`, `wiring`, `manager`, `run`.
"""
