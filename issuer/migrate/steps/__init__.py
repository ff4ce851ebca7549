"""Steps of a migration: each module turns one kind of object into steps of the plan. Pure.

From the bottom up:

- `metadata`: labels and annotations that go along.
- `issuers`: our issuers.
- `access`: roles, accounts and rights that an issuer needs.
- `differences`, `policies`: our policies of approver-policy's, with the differences that they can meet.
- `starter`: a policy for issuers that had none.
- `roles`: rules on policies and signers.
- `references`: Certificates, Ingresses and CertificateSigningRequests, which change their issuer.
- `certificate_decisions`: evaluates the changed Certificates by the policies that will be there.
- `assemble`: all of them in order, as one plan.
"""
