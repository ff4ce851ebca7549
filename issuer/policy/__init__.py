"""Deciding what certificate requests may hold, by CertificateRequestPolicies. Pure: no I/O, no clock.

`compiled` turns a policy's spec into something fast or says everything that is wrong with it; `selection`
says whether it is about a request; `evaluation` gives every violation; `decision` brings policies and the
requester's rights together. `differences` lists where this differs from approver-policy, and why.
"""
