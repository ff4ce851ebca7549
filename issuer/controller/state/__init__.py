"""What the controller knows: objects that watches brought, issuers and their health, outcomes. No I/O.

Bottom-up: `outcomes` (how an attempt ends), `kept` (the fields that are kept of an object), `stores` (objects
by key), `issuers` (each issuer's health and who waits for it), `certificates` (cert-manager's Certificates),
`unprocessed` (requests that no policy applies to yet), `ca_expiry`, `defects` (errors that nobody expected),
`audit` (the log line of a finished request).
"""
