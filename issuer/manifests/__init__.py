"""Kubernetes objects that people give as YAML, read strictly, and the basics that commands share.

Every failure is a `BadInput` whose message names the file and field. Nothing here knows what an object means.

Modules, from the bottom up:

- `errors`, `text`: the error of bad input; text made safe for a terminal, and YAML to paste.
- `documents`, `fields`: files, folders and standard input as objects, and their fields with types checked.
- `requester`, `rbac`: authors of requests, and bindings that let them use a policy.
- `cluster`, `backends`: the client of a command, as its user, and the backends whose issuers it knows.
"""
