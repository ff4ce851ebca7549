"""CertificateRequestPolicies: what certificate requests may hold. Pure: no I/O, no clock, no Kubernetes.

Callers compile policies once (`compiled`), evaluate a request by those whose selector names it (`decision`),
and ask the API server which of these the requester may use. Modules, from the bottom up:

- `shown`, `violation`, `problems`: values in messages, violations by requests, errors in policies.
- `facts`: a request as policies see it.
- `patterns/`: allowed values with wildcards, narrower in host names, mail addresses and URIs.
- `cel/`: rules in the Common Expression Language, bounded before they run.
- `compiled`, `selection`: a policy ready to be evaluated, and its selectors.
- `extensions`, `weak_keys`: denials that no policy can lift.
- `evaluation`, `decision`: every violation by one policy, and one answer from all.
- `differences`: deliberate differences from approver-policy, as data.

Kept out: who may use a policy, any CA's own API, and the controller's status. Mock nothing: tests call it.
"""
