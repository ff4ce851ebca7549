"""State of the controller: objects that watches brought, issuers and their health, outcomes. No I/O.

Contract: nothing here waits, reads or writes; every change comes from one event loop, and what depends on it
is called back at once. Entries of the registry are read by all and changed by its methods only.

Bottom-up:

- `reasons`: the reasons of the controller's own.
- `kept`, `stores`, `portions`: the fields that are kept of an object, objects by key, stores of several
  watches.
- `ca_expiry`: lifetimes that end before their CA does.
- `shared_signer`, `issuer_entry`, `issuers`: the signer of an issuer and who uses it; each issuer's health,
  and who waits for it.
- `certificates`: cert-manager's Certificates, counted.
- `unprocessed`: requests that no policy applies to yet.
- `audit`, `pending`, `outcomes`: the log line of a finished request, certificates to be written, and how an
  attempt ends.
- `defects`: errors that nobody expected.
"""
