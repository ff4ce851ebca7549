"""Objects that watches brought, by key, and the fields that are kept of each. No I/O.

Contract: a change comes from a watch or from an answer to our own write, and whoever depends on it is called
back at once.

Bottom-up: `store` (their common part), `kept` (fields, within a budget of bytes), `requests`, `issuers`,
`namespaces`, `portions` (a store of several watches), `certificates` (cert-manager's, counted).
"""
