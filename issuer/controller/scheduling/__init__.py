"""Order and limits of work: fair-queue flows, rates of one issuer, worker tasks.

Bottom-up: `limits`, `lookups`, `flows` (of requests), `checks` (of issuers), `workers`.
"""
