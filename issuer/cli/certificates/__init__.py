"""Commands on certificates and CRLs, wherever they are: in Vault, in files, in a cluster, or at an endpoint.

- `inventory`: what Vault and a cluster hold. `crl`: what CRLs say.
- `revoke`: revoking by hand. `verify`: endpoints as their clients see them.
"""
