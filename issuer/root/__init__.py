"""An offline root CA kept as files: keys, certificates of CAs, CRLs, and a ledger of what was done.

Nothing here reaches a network. Folders, bottom-up; each one's docstring maps its modules:

- `reasons`, `errors`: refusals.
- `certificates/`: keys, certificates, lint, CSRs and CRLs. Pure.
- `record/`: the ledger, and the folder's files held against it. Pure.
- `ceremony/`: the ceremony file; acts decided from ledger, wish and time. Reads no file but the ceremony's.
- `folder`: the folder on disk: modes, lock, whole writes. `session`: an opened root. `show`: words and data.

The ledger holds all that a root made; its other files follow from it, and are written after it. Kept out:
Vault, Kubernetes, prompts (`issuer.cli.root`). Mock nothing: tests make roots in a folder, with a time.
"""
