"""Signing through step-ca: the backend of StepIssuers and StepClusterIssuers.

The only package above `issuer.step` that may import it, beside migrate. Modules, from the bottom up:

- `reasons`, `errors`: step-ca's own reasons, and the outcome of each error for a request and its issuer.
- `names`, `advice`, `profile`: what a token grants, what to change in a template, how an issuer signs.
- `keyring`: provisioners' keys, each decrypted once.
- `authorities`: the CAs that the server names as its own.
- `account`: the provisioner with its key and claims; tokens, clocks, and why one is refused.
- `signer`: check, sign and revoke.
- `passwords`, `connector`: from an issuer's spec to a signer.
- `parts`, `backend`: the description that controllers look up.
- `adopted`: step-issuer's own kinds, served in its place.

Kept out: conditions and statuses of requests, policies, and every other backend.
"""
