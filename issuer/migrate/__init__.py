"""Migration from cert-manager's Vault issuer, step-issuer and approver-policy: `vault-issuer migrate`.

A migration never overwrites and never opens: what is ours already stays, and what can't be carried over is
refused with a note. Secrets are never read. Planning is pure; only `read.cluster` reads a cluster, and only
`output.applying` writes to one.

Packages and modules, from the bottom up:

- `origins`: the kinds of issuers that are carried over, each with its successor.
- `options`, `plan`: what the command line decides; the plan as data, steps with their notes.
- `read`: objects of a cluster or of files, sorted into an inventory.
- `steps`: one module for each kind of object, which turns it into steps; `assemble` joins them to the plan.
- `output`: the plan as a table, as manifests in a folder, or carried out in a cluster.
"""
