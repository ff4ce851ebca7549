"""A private CA in Vault or OpenBao from one reviewed file, `pki.yaml`: planned, applied, checked.

Folders, bottom-up; each one's docstring maps its modules:

- `errors`, `secret`, `ending`: failures that people read, text that no repr shows, and work that no
  cancellation breaks in two.
- `file/`: `pki.yaml` as models with file and line; overlays, variables, contradictions, JSON schema.
- `server/`: reading and writing one Vault: its warnings, 403, sealed, standby. All I/O goes through `calls`.
- `resources/`: one module for each kind of thing in Vault: its path, wanted fields, and how what is read back
  compares. Pure.
- `authorities/`: CAs: who is who, and the calls that make one, resumable after each.
- `plan/`: wanted and read become steps; what is shown, saved and refused when stale. Pure but for `reading`.
- `apply/`: carries steps out in order. `session`: file, connection and plan of one command.
- `rotation/`: a mount's CA replaced by another, in phases and past gates.
- `rights`: least policies of commands. Pure.
- `unsealing`: key shares, sent to sealed servers.
- `initialising/`: a new Vault's first hour, up to one admin login and no root token.

- `lists/`: CRLs in mounts, behind URLs and in files, described and verified.

Beside these go `verify/` (reads back, tries policies with short tokens), `export/` (Vault to file, the
reverse of `resources/`), and `health/` (checks and findings), each on `server/`, `file/` and `resources/`.

Kept out: Kubernetes, and everything of the controller. Mock at `server.calls.VaultCalls`.
"""
