"""Deciding what certificate requests may hold, by CertificateRequestPolicies. Pure: no I/O, no clock.

`compiled` turns a policy's spec into something fast or says everything that is wrong with it; `selection`
says whether it is about a request; `evaluation` gives every violation; `decision` brings policies and the
requester's rights together. `differences` lists where this differs from approver-policy, and why. Under
these, from the bottom up:

- `shown`, `violation`, `problems`: what is said of requests and of policies.
- `facts`: what is known of a request.
- `wildcard`, `name_patterns`, `uri_patterns`: patterns, and what a star stands for in a name.
- `syntax`, `regex`, `cost`, `expressions`: rules in CEL, bounded before they run.
- `extensions`, `weak_keys`: what is held against a CSR whatever the policy allows.
"""
