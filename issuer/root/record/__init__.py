"""The ledger of an offline root, and the files of its folder that follow from it. Pure: no files, no clock.

- `entries`: kinds of entries, as data.
- `chain`: entries as lines, each with the hash of the one before and a signature by the root's key.
- `ledger`: what the entries add up to: the root, CAs signed, revoked, the last CRL.
- `files`: files that follow from a ledger.
- `examine`: a folder's files against its ledger: what an interruption left, and what is damage.
"""
