"""Explanations of decisions: what `vault-issuer policy` does below its options.

The engine is the controller's own, `issuer.policy`. Nothing here decides anew, and only `cluster` talks to a
cluster; every failure is a `BadInput` that names the file, field or option.

Modules, from the bottom up:

- `policies`, `certificate`, `review_input`: files turned into compiled policies and into requests.
- `requested`: what a request asks for, as the texts that patterns are compared with.
- `evaluation`: one request evaluated by all policies, in two steps, with the question of `use` between them.
- `offline`, `cluster`: the two ways to answer that question.
- `snippets`, `advice`, `rendering`: what to change, as YAML, as sentences, and on a terminal.
- `cases`, `lint/`: the commands `policy test` and `policy lint`.
"""
