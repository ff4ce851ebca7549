"""Order and limits of work: fair-queue flows, rates of one issuer, worker tasks.

Contract: the order itself is that of `issuer.kube.queues`; here is what a flow, a tenant and a limiter are
for requests and for checks of issuers. How a request is decided or delivered is not known.

Bottom-up: `limits`, `lookups` (of host names), `flows` (of requests), `checks` (of issuers), `workers`.
"""
