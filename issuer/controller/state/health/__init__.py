"""Each issuer's health, the signer that it has, and the requests that wait for it. No I/O.

Contract: the registry owns every entry; others read it, and change it by the registry's methods only.

Bottom-up: `same_answers`, `bad_answers` (answers that are not what was asked for), `peer_watch` (another
controller of the same kind), `ca_expiry` (lifetimes that end before their CA does), `put_off`,
`unapproved` (by another approver), `shared_signer`, `tls_memory`, `issuer_entry`, `issuers` (the registry).
"""
