"""vault-issuer: a cert-manager external issuer for HashiCorp Vault and OpenBao PKI.

The rooms of this package and which may import which are described in
``docs/architecture.md`` and enforced by import-linter.
"""

__version__ = "0.1.0"
