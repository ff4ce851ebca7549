"""`pki.yaml`, from text to checked models. No network, no Vault.

- `place`: file and line of each value.
- `domains`: DNS names below name constraints.
- `durations`: lifetimes as Vault reads them, in seconds.
- `model`, `authority`, `access`: pydantic models of the file; unknown keys are refused.
- `reading`: files with overlays and `${VAR}` become a `PkiFile`.
- `engine`: contradictions within the config of one mount: tuning, CRL, tidy, and ACME with what it names.
- `names`: names that Vault takes otherwise, or not at all.
- `rotations`: CAs that replace others.
- `checks`: contradictions between fields; each with file and line.
- `schema`: JSON schema of what the file itself holds.
"""
