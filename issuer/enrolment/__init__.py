"""Machines enrolled in Vault or OpenBao, for `vault-issuer agent` on them.

A machine is a PKI role with exact names, a policy, an AppRole, and perhaps a role of certificate logins, all
of one name. The policy's first line, a comment, holds what belongs to it: there is no other state.

- `host`: a machine's objects as they should be. Pure.
- `planning`: which of them are missing or differ.
- `giving`: a secret ID, wrapped, and the ticket that the machine is given.
- `removing`: a machine locked out or removed, and its certificates revoked.
- `listing`: machines that are enrolled.
- `session`: the connection of one command.

Kept out: Kubernetes, and everything of the controller.
"""
