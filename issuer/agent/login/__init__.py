"""Ways to get a token on a machine: credentials in files, and what outlives a restart.

- `statefile`: small secret files of the agent's own.
- `ticket`: all that a machine needs to begin, as one line.
- `kept`: the last token, tried before another login.
- `secretids`: the next secret ID, which the agent makes for itself.
- `wrapped`: the first secret ID, which works once; theft and expiry told apart.
- `ways`: several ways in their order, each refusal reported.
- `methods`: the login of `agent.yaml`, its files read anew each time.
"""
