"""`agent.yaml`, from text to checked models. No network, no Vault.

- `times`: lifetimes and maintenance windows, as people write them.
- `files`: what is written where, by whom it is owned, and how.
- `consumers`: programs that are told when files have changed.
- `login`: ways to get a token.
- `model`: the whole file.
- `given`: one set by options, without a file.
- `reading`: the file becomes an `AgentFile`; contradictions between its parts.
"""
