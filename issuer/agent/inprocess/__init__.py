"""Certificates in this process's memory, for Python programs: contexts of `ssl` that renew themselves.

- `contexts`: contexts that present the newest certificate in each new connection.
- `renewing`: a certificate signed at the start and renewed in the background, with asyncio.
- `threads`: the same for programs without asyncio.

Keys are made here, are sent nowhere and reach no disk: `ssl` reads them from an anonymous file in memory,
which Linux alone has.
"""

from issuer.agent.inprocess.contexts import ContextSettings
from issuer.agent.inprocess.renewing import RenewingCertificate, WantedCertificate, renewing_certificate
from issuer.agent.inprocess.threads import renewing_in_thread
from issuer.vault.connection import Connection
from issuer.vault.login.methods import AppRole, AuthMethod, CertificateLogin, Kubernetes, StaticToken

__all__ = [
    "AppRole",
    "AuthMethod",
    "CertificateLogin",
    "Connection",
    "ContextSettings",
    "Kubernetes",
    "RenewingCertificate",
    "StaticToken",
    "WantedCertificate",
    "renewing_certificate",
    "renewing_in_thread",
]
