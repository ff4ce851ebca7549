"""Holds a Vault against the file: item by item, and each policy by a token that has it and nothing else.

Contract: nothing in Vault is changed. What could not be tried is "not checked", with the reason.

- `item`: one thing with its verdict, and the whole of a run.
- `items`: a plan's steps as items. Pure.
- `matrix`: paths of the file's PKI mounts, what a policy means on each, and what differs. Pure.
- `trials`: calls that Vault refuses either way, by which 403 and 400 tell denied from allowed.
- `verifying`: the run. `show`: for people.
"""
