"""What ``vault-issuer policy`` does below its options: read files, judge, say what to do.

`documents` reads YAML and PEM; `review_input` and `certificate` turn them into requests, `policies` into compiled
policies; `offline` and `cluster` know who may use them; `judging` brings these together; `advice` and
`rendering` say it to people. `cases` and `lint` are the two other commands. Only `cluster` talks to anything.
"""
