"""vault-issuer: a cert-manager external issuer for HashiCorp Vault and OpenBao PKI.

`docs/architecture.md` maps its packages; import-linter enforces which may import which.
"""

__version__ = "0.1.0"
"""The version of command, chart and image; `make manifests` writes it where it has to be written."""
