"""`agent.yaml`, from text to checked models. No network, no Vault.

- `times`: lifetimes and maintenance windows, as people write them.
- `files`: what is written where, by whom it is owned, and how.
- `consumers`: programs that are told when files have changed.
- `login`: ways to get a token.
- `model`: the whole file.
- `given`: one set by options, without a file.
- `state`: the state folder, and what the agent keeps in it.
- `names`: names that a certificate can have.
- `paths`: paths that are written, none twice and none that the agent reads.
- `reading`: the file becomes an `AgentFile`; contradictions between its parts.
"""
