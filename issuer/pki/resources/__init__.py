"""Things in Vault that the file describes, a module for each kind. Pure: no call is made here.

- `values`: equality of what is wanted with what Vault reads back: durations, lists, CIDRs.
- `resource`: `VaultResource`, the shape of all kinds: path, wanted fields, defaults, place in the file.
- `defaults`: Vault's own values of fields that the file leaves out, and fields that are never read back.
- `known_fields`: fields of each kind of write, for a server that can't be asked yet.
- `mounts`, `engine`, `roles`, `issuers`: PKI mounts, their config/ paths, roles, and issuers' settings.
- `policies`, `pki_paths`: policies, written or generated, and the paths of a PKI mount with what each does.
- `auth`, `audit`: auth methods with roles, audit devices.

A new kind: a module with a function from the file to resources, and a line in `plan.desired`.
"""
