"""The API classes of hvac that are used, imported without its clients and what they bring.

`hvac.v1` and the packages of all engines would bring `requests`: a twentieth of the controller's start.
"""

from __future__ import annotations

from issuer.lean import bare

__all__ = ["AppRoleApi", "KubernetesApi", "PkiApi", "TokenApi", "format_url"]

with bare("hvac", "hvac.api", "hvac.api.auth_methods", "hvac.api.secrets_engines"):
    from hvac.api.auth_methods.approle import AppRole as AppRoleApi
    from hvac.api.auth_methods.kubernetes import Kubernetes as KubernetesApi
    from hvac.api.auth_methods.token import Token as TokenApi
    from hvac.api.secrets_engines.pki import Pki as PkiApi
    from hvac.utils import format_url
