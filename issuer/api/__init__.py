"""The custom resources that users write, as pydantic models, and the CRDs made from them. Data only.

Modules, from the bottom up:

- `group`, `leases`: names of the API, and labels of the controllers' Leases.
- `server`: the server that an issuer's spec names.
- `model`: the base of all models, and rules for Python and the API server alike.
- `vault`: `spec.vault`, cert-manager's part of an issuer. `issuers`: the issuers.
- `policy`: CertificateRequestPolicy, as approver-policy has it.
- `crd`: the CustomResourceDefinitions, and the command that writes them.

Kept out: files, network and clock (but for that command), Kubernetes' client, Vault's. Mock nothing: tests
make models.
"""
