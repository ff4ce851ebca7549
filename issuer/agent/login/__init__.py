"""Ways to get a token on a machine: credentials in files, and a token that outlives a restart.

- `methods`: the login of `agent.yaml`, its files read anew each time.
- `kept`: the last token, in a file of the agent's own, tried before another login.
"""
