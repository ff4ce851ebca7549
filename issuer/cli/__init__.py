"""The ``vault-issuer`` command: thin, each subcommand calls into a room below."""
