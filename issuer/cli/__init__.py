"""The `vault-issuer` command: each subcommand turns options into a call of a package below, and its
answer into text and an exit code.

- `main`, `kubectl`, `completing`: entry points, as a plugin of kubectl too, and shell completion.
- `help`: help and usage errors of all commands.
- `options`, `output`: options and output that commands share.
- `status`, `inspect`, `policy`, `migrate`, `crds`, `ready`, `renew`: one command or group each; none loads
  the controller.
- `canary`, `revocation`, `controller`: commands that run parts of the controller, or all of it.

Work is imported inside the command that does it, so that `--help` and completion stay quick.
"""
