"""The `vault-issuer` command: each subcommand turns options into a call of a package below, and its
answer into text and an exit code.

- `main`, `kubectl`, `completing`: entry points, as a plugin of kubectl too, and shell completion.
- `help`: help and usage errors of all commands.
- `options`, `output`, `vault`: options, output and failures that commands share.
- `signals`, `streams`, `passphrases`: what the system and a terminal tell a command.
- `cluster`, `certificates`: commands on what is in a cluster, and on certificates wherever they are.
- `pki`, `trust`, `agent`, `root`, `controller`: one group each.

Commands that only look load no controller, as import-linter holds them to. Work is imported inside the
command that does it, so that `--help` and completion stay quick.
"""
