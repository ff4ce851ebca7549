"""Leases among replicas.

- `lease`: a Lease, held by one that knows when it can no longer be sure of it.
- `election`: leader election on one.
"""
