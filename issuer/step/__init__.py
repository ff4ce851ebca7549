"""step-ca (Smallstep certificates) over HTTPS: provisioners, their keys, one-time tokens, sign and revoke.

Every failure of a call is raised as an `errors.StepError`. Mock at `client.StepClient`, or use the real
step-ca of the testbed. Modules, from the bottom up:

- `errors`, `translate`: failures, and answers translated.
- `jwe`, `keys`, `tokens`: a provisioner's key decrypted and read, and what it signs. No I/O.
- `provisioners`: the list that the CA serves, and the claims in it. No I/O.
- `connection`, `client`: one server, and the calls that an issuer makes.

Kept out: Kubernetes, policies, and what an error means for a request (`signing/step/errors`).
"""
