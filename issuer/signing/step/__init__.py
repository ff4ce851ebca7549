"""Signing through step-ca: the backend of StepIssuers and StepClusterIssuers.

The only package above `issuer.step` that may import it, beside migrate. Modules, from the bottom up:

- `reasons`, `errors`: step-ca's own reasons, and the outcome of each error for a request and its issuer.
- `advice`, `profile`: what to change in a template, and how an issuer signs.
- `authorities`: the CAs that the server names as its own.
- `provisioner`: the provisioner that a signer speaks for: its key and claims, and tokens by it.
- `signer`: check, sign and revoke. `connector`: from an issuer's spec to a signer.
- `parts`, `backend`: the description that controllers look up.
- `adopted`: step-issuer's own kinds, served in its place.

Kept out: conditions and statuses of requests, policies, and every other backend.
"""
