"""What of an issuer's spec is accepted but not built yet.

Each line here is a promise of the custom resource that the controller does not
keep yet; such an issuer says ``Ready=False``, reason ``Unsupported``, and
nothing is signed through it.
"""

from __future__ import annotations

from issuer.api.issuers import IssuerSpec


def unsupported_fields(spec: IssuerSpec) -> tuple[str, ...]:
    """Paths of the fields in use that this version does not serve, in the order of the spec."""
    checks = {
        "spec.rateLimit": spec.rate_limit is not None,
    }
    return tuple(path for path, used in checks.items() if used)
