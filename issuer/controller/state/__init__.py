"""State of the controller: objects that watches brought, issuers and their health, outcomes. No I/O.

Contract: nothing here waits, reads or writes; every change comes from one event loop, and what depends on it
is called back at once. Entries of the registry are read by all and changed by its methods only.

Bottom-up:

- `reasons`: the reasons of the controller's own.
- `health`: each issuer's health, its signer, and who waits for it.
- `watched`: the objects that watches brought, and what is kept of each.
- `unprocessed`: requests that no policy allows yet.
- `audit`, `pending`, `outcomes`: the log line of a finished request, certificates to be written, and how an
  attempt ends.
- `defects`: errors that nobody expected.
"""
